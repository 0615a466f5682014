"""The rivals of the embedding: what each claims to do, on random images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from geo2.baselines.geodtr import GeoDtrConfig
from geo2.baselines.retrieval import RIVALS, build_rival
from geo2.baselines.safa_polar import PolarTransform
from geo2.baselines.singeo import narrow
from geo2.baselines.two_view_cnn import TwoViewCnn
from geo2.config import load_config
from geo2.data.pixels import PixelBatch
from geo2.data.samples import Standing
from geo2.evaluate.torch_embedder import turned_embedder
from geo2.train.sampler import places_of

TINY = load_config(Path(__file__).parents[2] / "configs" / "geo2" / "tiny.yaml")


def pixels(seed: int, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


@pytest.fixture(scope="module")
def batch() -> PixelBatch:
    x = np.array([[0.0, 0], [500, 0], [1000, 0]])
    standing = Standing(np.zeros(3, np.int32), x, x + 5, np.zeros(3))
    return PixelBatch(pixels(0, 3, 96, 384, 3), torch.ones(3, 96, 384, dtype=torch.uint8), pixels(1, 3, 128, 128, 3), standing, 7)


def places(batch: PixelBatch):
    return places_of(batch.standing, [(0.0, 0.0)], 10.0)


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_gives_unit_vectors_and_learns_in_all_its_parts(name, batch):
    torch.manual_seed(0)
    network = build_rival(name, TINY, {})
    out = network.training_pass(batch, places(batch), 0.5)
    assert out.ground.shape == (3, 1, network.embedding) and out.satellite.shape == (3, network.embedding)
    assert out.ground.norm(dim=-1).detach().numpy() == pytest.approx(np.ones((3, 1)), abs=1e-4)
    loss = ((out.ground[:, 0] @ out.satellite.t()) * network.scale()).log_softmax(1).diagonal().mean() + out.extra_loss
    loss.backward()
    still = [key for key, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert still == []


def test_shared_weights_are_the_same_but_each_view_has_statistics_of_its_own():
    cnn = TwoViewCnn(shared=True, frozen_blocks=0).train()
    assert sum(p.numel() for p in cnn.parameters()) == sum(p.numel() for p in cnn.of_ground.parameters())
    cnn.satellite(torch.rand(2, 3, 64, 64))
    assert not cnn.of_satellite.stem_norm.running_mean.equal(cnn.of_ground.stem_norm.running_mean)
    assert cnn.of_satellite.stem_norm.weight is cnn.of_ground.stem_norm.weight
    apart = TwoViewCnn(shared=False, frozen_blocks=0)
    assert sum(p.numel() for p in apart.parameters()) == 2 * sum(p.numel() for p in cnn.parameters())


def test_what_is_frozen_keeps_its_weights_and_statistics():
    cnn = TwoViewCnn(shared=True, frozen_blocks=3).train()
    before = {key: value.clone() for key, value in cnn.state_dict().items()}
    cnn.satellite(torch.rand(2, 3, 64, 64)).sum().backward()
    gradient = {key for key, p in cnn.named_parameters() if p.grad is not None}
    assert "of_ground.blocks.3.depthwise.conv.weight" in gradient
    assert not any(key.startswith(("of_ground.stem", "of_ground.blocks.0.", "of_ground.blocks.2.")) for key in gradient)
    after = cnn.state_dict()
    assert after["of_satellite.blocks.2.project_norm.running_mean"].equal(before["of_satellite.blocks.2.project_norm.running_mean"])
    assert not after["of_satellite.blocks.3.project_norm.running_mean"].equal(before["of_satellite.blocks.3.project_norm.running_mean"])
    with pytest.raises(ValueError, match="frozen_blocks: expected 0 to 11, got 12"):
        TwoViewCnn(shared=True, frozen_blocks=12)


def test_a_turn_of_the_tile_is_a_shift_of_its_polar_image_and_the_top_row_is_the_rim():
    tile = torch.zeros(1, 1, 128, 128)
    tile[..., :8, 60:68] = 1  # ahead, at the edge
    tile[..., 60:68, 60:68] = 0.5
    polar = PolarTransform(128, 64, 384)
    unrolled = polar(tile)
    assert unrolled.shape == (1, 1, 64, 384)
    assert unrolled[0, 0, 2, [192, 0]].tolist() == pytest.approx([1, 0])
    assert unrolled[0, 0, -1].tolist() == pytest.approx([0.5] * 384)
    clockwise = polar(tile.rot90(-1, (2, 3)))
    assert clockwise.allclose(unrolled.roll(96, 3), atol=1e-4)
    with pytest.raises(ValueError, match="expected 128 x 128 px, got 64 x 64"):
        polar(tile[..., :64, :64])


def test_the_counterfactual_loss_falls_with_the_distance_to_what_random_layouts_give(batch):
    network = build_rival("geodtr", TINY, {})
    features = torch.rand(2, 112, 6, 24)
    generator = torch.Generator().manual_seed(3)
    drawn = torch.rand(2, GeoDtrConfig().descriptors, 144, generator=generator) * 2 - 1
    same = torch.nn.functional.normalize((drawn @ features.flatten(2).transpose(1, 2)).flatten(1), dim=-1)

    def loss(vector: Tensor) -> float:
        return float(network.counterfactual_loss(features, vector, torch.Generator().manual_seed(3)))

    assert loss(same) == pytest.approx(np.log(2), abs=1e-3), "the same vector: the distance is zero"
    assert loss(-same) < 0.01 < loss(same)


def test_the_curriculum_narrows_the_view_and_turns_it_more(batch):
    def seen(narrowest_deg: float, turn_deg: float) -> tuple[list[float], bool]:
        canvas, mask = narrow(batch, narrowest_deg, turn_deg)
        assert (canvas[mask == 0] == 0).all()
        return (mask.float().mean((1, 2)) * 360).tolist(), bool(canvas.equal(batch.canvas))

    assert seen(360, 0) == ([360, 360, 360], True)
    widths, _ = seen(70, 0)
    assert all(69 <= w <= 360 for w in widths) and len(set(widths)) == 3
    turned, _ = narrow(batch, 360, 180)
    assert not turned.equal(batch.canvas)
    assert turned.sort(2).values.equal(batch.canvas.sort(2).values), "turned by whole columns, nothing is lost"


def test_singeo_begins_with_what_sample4geo_sees(batch):
    torch.manual_seed(0)
    network = build_rival("singeo", TINY, {}).eval()
    first, last = (network.training_pass(batch, places(batch), progress).ground for progress in (0.0, 1.0))
    assert first.allclose(network.ground(batch.canvas, batch.mask), atol=1e-5)
    assert not last.allclose(first, atol=1e-2)


def test_the_search_shows_a_rival_the_turns_that_ours_has(batch):
    torch.manual_seed(0)
    network = build_rival("sample4geo", TINY, {"cells": 4})
    embedder = turned_embedder("sample4geo", network, TINY)
    assert embedder.turns_deg.tolist() == [0.0, -15.0, 15.0]
    canvas, mask = batch.canvas[0].numpy(), batch.mask[0].numpy()
    straight = embedder.ground([canvas], [mask])
    clockwise = embedder.ground([np.roll(canvas, -16, 1)], [mask])  # its middle looks 15 degrees clockwise
    assert clockwise[0, 2] == pytest.approx(straight[0, 0], abs=1e-5)
    assert np.abs(straight[0, 1] - straight[0, 0]).max() > 1e-3


def test_an_unknown_rival_or_option_is_named():
    with pytest.raises(ValueError, match="expected one of sample4geo, safa-polar, geodtr, singeo, got 'transgeo'"):
        build_rival("transgeo", TINY, {})
    with pytest.raises(ValueError, match="sample4geo: unknown key depth"):
        build_rival("sample4geo", TINY, {"depth": 3})
