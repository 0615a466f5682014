import numpy as np
import pytest
import torch

from geo2.config import Config, GeoMapTraining
from geo2.data.cache import PairCache
from geo2.models.geomap import window_offsets_m
from geo2.train.contrastive import ExponentialMovingAverage
from geo2.train.sampler import LastEmbeddings, PairSampler, places_of
from geo2.workers import Worker


def cache_of(cities: int, each: int) -> PairCache:
    """Pairs on a line, 10 m apart, city after city, and some rows that are not used."""
    city = np.concatenate([np.repeat(np.arange(cities), each), [-1, -1]]).astype(np.int32)
    x = np.concatenate([np.tile(np.arange(each) * 10.0, cities), [0, 0]])
    place = np.stack([x, np.zeros_like(x)], 1)
    n = len(x)
    return PairCache(None, None, city, np.arange(n) % 4 == 3, place, place[:, None].copy(), np.zeros((n, 1)), np.zeros((n, 1), np.int64))


def config_of(**training) -> GeoMapTraining:
    return GeoMapTraining(**({"batch": 16, "cities_per_batch": 2, "neighbour_share": 0.5, "group": 4} | training))


OFFSETS_M = [(-10.0, 0.0), (0.0, 0.0), (0.0, 10.0)]


def test_a_hypothesis_that_puts_another_query_where_a_tile_is_is_no_negative_of_it():
    cache = cache_of(2, 10)
    places = places_of(cache.standing(np.array([2, 3, 12]), np.zeros(3, np.int64)), OFFSETS_M, 5.0)
    assert places.truth.tolist() == [1, 1, 1]
    assert places.ignore[0].tolist() == [[False, False, False], [True, False, False], [False, False, False]]
    assert places.ignore[1].tolist() == [[True, False, False], [False, True, False], [False, False, False]], "10 m west of it is the other"
    assert places.ignore[2].tolist() == [[False, False, False], [False, False, True], [False, False, False]], "another city is another place"


@pytest.mark.parametrize(("up_deg", "east_m", "north_m"), [(0, 0, 9), (90, 9, 0), (180, 0, -9), (45, 6.4, 6.4)])
def test_the_right_hypothesis_is_the_nearest_in_the_frame_that_the_crop_turns(up_deg, east_m, north_m):
    cache = cache_of(1, 10)
    cache.up_deg[:] = up_deg
    cache.centre_m[4, 0] += (east_m, north_m)
    assert places_of(cache.standing(np.array([4]), np.array([0])), OFFSETS_M, 1.0).truth.tolist() == [2], "ahead"


def test_windows_lie_around_the_camera_row_by_row_from_ahead_on_the_left():
    offsets = np.array(window_offsets_m(Config()))
    assert offsets[0].tolist() == [-13.125, 13.125] and offsets[1].tolist() == [-4.375, 13.125] and offsets[4].tolist() == [-13.125, 4.375]
    assert offsets.sum(0).tolist() == [0, 0] and len(offsets) == 16


@pytest.mark.parametrize("mined", [False, True])
def test_a_batch_has_its_size_from_as_many_cities_as_asked_and_no_pair_twice(mined):
    cache = cache_of(5, 40)
    last = LastEmbeddings(torch.randn(202, 8), torch.randn(202, 8)) if mined else None
    sampler = PairSampler(cache, config_of(), Worker())
    for step in range(20):
        rows = sampler.batch(np.random.default_rng(step), last)
        assert len(rows) == len(set(rows.tolist())) == 16
        assert len(set(cache.city[rows])) == 2
        assert (cache.city[rows] >= 0).all()


def test_neighbours_are_near_in_space_but_not_the_same_place():
    cache = cache_of(1, 400)
    sampler = PairSampler(cache, config_of(cities_per_batch=1, neighbour_share=1.0), Worker())
    rows = sampler.batch(np.random.default_rng(0), None)
    x = cache.query_m[rows, 0]
    apart = np.abs(x[:, None] - x[None, :]) + 1e9 * np.eye(len(x))
    assert (apart.min(1) <= 16 * 10 + 28).sum() >= 14, "members of a group are among the nearest; what fills the batch up is anywhere"


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0.2, 0.3), (0.6, 0.5, 0.7)])
def test_photos_have_the_share_that_is_asked_for(share, low, high):
    cache = cache_of(2, 400)
    sampler = PairSampler(cache, config_of(photo_share=share, neighbour_share=0.0), Worker())
    drawn = np.concatenate([sampler.batch(np.random.default_rng(step), None) for step in range(60)])
    assert low < cache.photo[drawn].mean() < high


def test_mining_finds_the_pairs_that_are_easily_mistaken():
    last = LastEmbeddings(torch.zeros(50, 4), torch.zeros(50, 4))
    last.ground[0] = torch.tensor([1.0, 0, 0, 0])
    last.satellite[[7, 21]] = torch.tensor([1.0, 0, 0, 0])
    assert set(last.near(0, np.arange(1, 50), 2).tolist()) == {7, 21}


def test_a_city_with_too_few_pairs_is_refused():
    with pytest.raises(ValueError, match="at least 4 queries a city"):
        PairSampler(cache_of(3, 2), config_of(), Worker())


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


def test_workers_share_a_batch_and_the_cities():
    cache = cache_of(5, 40)
    config = config_of(workers=2)
    drawn = [PairSampler(cache, config, Worker(rank, 2)).batch(np.random.default_rng(3), None) for rank in (0, 1)]
    assert [len(rows) for rows in drawn] == [8, 8]
    for rank, rows in enumerate(drawn):
        assert set(cache.city[rows] % 2) == {rank}
    with pytest.raises(ValueError, match="a city for each of 3 workers, got 2"):
        PairSampler(cache_of(2, 40), config, Worker(0, 3))


def test_more_workers_than_divide_the_batch_are_refused():
    with pytest.raises(ValueError, match="workers: expected a positive divisor of batch = 16 and cities_per_batch = 2, got 3"):
        config_of(workers=3)
