import numpy as np
import pytest
import torch

from geo2.config import Config, parse_config
from geo2.data.cache import PairCache
from geo2.train.geomap import ExponentialMovingAverage, LastEmbeddings, PairSampler, ignored


def cache_of(cities: int, each: int) -> PairCache:
    """Pairs on a line, 10 m apart, city after city, and some rows that are not used."""
    city = np.concatenate([np.repeat(np.arange(cities), each), [-1, -1]]).astype(np.int32)
    x = np.concatenate([np.tile(np.arange(each) * 10.0, cities), [0, 0]])
    centre = np.stack([x, np.zeros_like(x)], 1)
    return PairCache(None, None, city, centre, centre)


def config_of(**training) -> Config:
    return parse_config({"geomap_training": {"batch": 16, "cities_per_batch": 2, "neighbour_share": 0.5, "group": 4} | training})


def test_near_tiles_of_one_city_are_no_negatives_of_each_other():
    cache = cache_of(2, 10)
    rows = np.array([0, 2, 3, 10])
    nothing, something = False, True
    assert ignored(cache, rows, 28.0).tolist() == [
        [True, something, nothing, nothing],
        [something, True, something, nothing],
        [nothing, something, True, nothing],
        [nothing, nothing, nothing, True],
    ]


@pytest.mark.parametrize("mined", [False, True])
def test_a_batch_has_its_size_from_as_many_cities_as_asked_and_no_pair_twice(mined):
    cache = cache_of(5, 40)
    last = LastEmbeddings(torch.randn(202, 8), torch.randn(202, 8)) if mined else None
    sampler = PairSampler(cache, config_of())
    for step in range(20):
        rows = sampler.batch(np.random.default_rng(step), last)
        assert len(rows) == len(set(rows.tolist())) == 16
        assert len(set(cache.city[rows])) == 2
        assert (cache.city[rows] >= 0).all()


def test_neighbours_are_near_in_space_but_not_the_same_place():
    cache = cache_of(1, 400)
    sampler = PairSampler(cache, config_of(cities_per_batch=1, neighbour_share=1.0))
    rows = sampler.batch(np.random.default_rng(0), None)
    x = cache.centre_m[rows, 0]
    apart = np.abs(x[:, None] - x[None, :]) + 1e9 * np.eye(len(x))
    assert (apart.min(1) <= 16 * 10 + 28).all(), "each has another one among its nearest"


def test_mining_finds_the_pairs_that_are_easily_mistaken():
    last = LastEmbeddings(torch.zeros(50, 4), torch.zeros(50, 4))
    last.ground[0] = torch.tensor([1.0, 0, 0, 0])
    last.satellite[[7, 21]] = torch.tensor([1.0, 0, 0, 0])
    assert set(last.near(0, np.arange(1, 50), 2).tolist()) == {7, 21}


def test_a_city_with_too_few_pairs_is_refused():
    with pytest.raises(ValueError, match="at least 4 queries a city"):
        PairSampler(cache_of(3, 2), config_of())


def test_the_average_follows_slowly_and_keeps_shapes():
    module = torch.nn.Linear(2, 2)
    average = ExponentialMovingAverage(module, 0.9)
    before = average.values["weight"].clone()
    with torch.no_grad():
        module.weight += 1.0
    for _ in range(200):
        average.update(module)
    assert torch.allclose(average.values["weight"], module.weight, atol=1e-3)
    assert not torch.allclose(before, module.weight)
