"""The switches of the ablations: each gives embeddings, and changes what it says it changes."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from geo2.baselines.tuned_geomap import TunedGeoMap
from geo2.config import Config, load_config
from geo2.models.geomap import FrozenFeatures, GeoMap, GeoMapHead, GroundFeatures
from geo2.train.checkpoint import load_checkpoint
from geo2.train.gfm import train_gfm

TINY = load_config(Path(__file__).parents[2] / "configs" / "geo2" / "tiny.yaml")
MASK = torch.ones(1, 96, 384, dtype=torch.uint8)


def config_of(gfm: dict | None = None, training: dict | None = None, **geomap) -> Config:
    return dataclasses.replace(
        TINY,
        gfm=dataclasses.replace(TINY.gfm, **(gfm or {})),
        geomap=dataclasses.replace(TINY.geomap, **geomap),
        geomap_training=dataclasses.replace(TINY.geomap_training, **(training or {})),
    )


BOTH = {"gfm": {"view_px": 128}, "training": {"tiles_per_query": 1}, "ground_pass": "both_views"}
SWITCHES = [
    {"ground_pass": "single_views"},
    {"ground_pass": "panorama"},
    BOTH,
    {"gfm": {"view_yaws_deg": (0.0,)}},
    {"gfm": {"view_yaws_deg": (0.0, 180.0)}},
    {"gfm": {"view_yaws_deg": (210.0, 270.0, 330.0, 30.0, 90.0, 150.0)}},
    {"tokens": "concatenation"},
    {"tokens": "concatenation", "ground_pass": "panorama"},
    {"tokens": "none"},
]


def frozen_of(config: Config) -> FrozenFeatures:
    """Random everywhere, as training leaves it; the same weights for every switch."""
    torch.manual_seed(0)
    frozen = FrozenFeatures(config).eval()
    torch.nn.init.normal_(frozen.gfm.special)
    return frozen


def pixels(seed: int, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


@torch.no_grad()
def ground_of(config: Config, canvas: Tensor) -> GroundFeatures:
    return frozen_of(config).ground(canvas, MASK)


@torch.no_grad()
@pytest.mark.parametrize("switch", SWITCHES, ids=str)
def test_every_switch_gives_unit_vectors_that_differ_from_the_methods(switch):
    config, canvas, tile = config_of(**switch), pixels(0, 1, 96, 384, 3), pixels(1, 1, 128, 128, 3)
    torch.manual_seed(0)
    model = GeoMap(config).eval()
    ground, satellite = model.ground(canvas, MASK), model.satellite(tile)
    assert ground.shape == (1, len(model.hypotheses), config.geomap.embedding) and satellite.shape == (1, config.geomap.embedding)
    assert torch.cat([ground[0], satellite]).norm(dim=-1).allclose(torch.ones(len(model.hypotheses) + 1), atol=1e-4)


@torch.no_grad()
def test_in_single_passes_no_view_knows_of_another():
    canvas = pixels(0, 1, 96, 384, 3)
    other = canvas.clone()
    other[:, :, 8:88] = pixels(2, 1, 96, 80, 3)  # well within the view at 225 degrees, columns 0 to 96

    def moved(config: Config) -> list[bool]:
        tokens = [ground_of(config, image).tokens.reshape(4, 36, -1) for image in (canvas, other)]
        return [not one.allclose(two, atol=1e-5) for one, two in zip(*tokens, strict=True)]

    assert moved(config_of(ground_pass="single_views")) == [True, False, False, False]
    assert moved(config_of()) == [True, True, True, True]


@torch.no_grad()
def test_the_raw_panorama_is_one_frame_of_the_canvas_own_pixels():
    features = ground_of(config_of(ground_pass="panorama"), pixels(0, 1, 96, 384, 3))
    assert features.tokens.shape[1] == 6 * 24 and features.log_range.shape == (1, 1, 24, 96)
    assert not features.tokens.allclose(ground_of(config_of(), pixels(0, 1, 96, 384, 3)).tokens, atol=1e-3)


@torch.no_grad()
def test_in_one_pass_the_ground_sees_the_tile_and_a_search_does_not():
    config, canvas = config_of(**BOTH), pixels(0, 1, 96, 384, 3)
    frozen = frozen_of(config)
    (one, above), (two, _) = (frozen.pair(canvas, MASK, pixels(seed, 1, 128, 128, 3)) for seed in (1, 2))
    assert not one.tokens.allclose(two.tokens, atol=1e-4)
    assert not above.tokens.allclose(frozen.satellite(pixels(1, 1, 128, 128, 3)).tokens, atol=1e-4)
    assert one.log_range.shape == (1, 1, 24, 96) and above.heights.shape == (1, 1, 16, 16)
    apart = frozen_of(config_of(gfm={"view_px": 128}))
    assert frozen.ground(canvas, MASK).tokens.equal(apart.ground(canvas, MASK).tokens)
    assert apart.pair(canvas, MASK, pixels(1, 1, 128, 128, 3))[0].tokens.equal(apart.ground(canvas, MASK).tokens)
    with pytest.raises(ValueError, match="expected view_px = tile_px = 128 and tiles_per_query = 1, got 96 and 2"):
        GeoMap(config_of(ground_pass="both_views"))


@torch.no_grad()
@pytest.mark.parametrize(("tokens", "read"), [("cross_attention", True), ("concatenation", True), ("none", False)])
def test_the_geometry_models_tokens_are_read_or_not(tokens, read):
    config = config_of(tokens=tokens)
    features = ground_of(config, pixels(0, 1, 96, 384, 3))
    torch.manual_seed(1)
    head = GeoMapHead(config).eval()
    turn = torch.zeros(1, 1, dtype=torch.int64)
    one, two = (head.ground(f, turn) for f in (features, dataclasses.replace(features, tokens=features.tokens.flip(-1) + 1)))
    assert one.allclose(two, atol=1e-6) != read


@torch.no_grad()
def test_a_concatenated_token_stays_where_its_view_looks():
    config = config_of(tokens="concatenation")
    torch.manual_seed(1)
    branch = GeoMapHead(config).ground_tokens.eval()
    features = ground_of(config, pixels(0, 1, 96, 384, 3))
    tokens = features.tokens.clone()
    tokens[:, 36:72] += 1  # the view at 315 degrees: columns 12 to 24 of 48
    one, two = (branch(features.stride8, features.stride16, t, None) for t in (features.tokens, tokens))
    moved = (one - two).abs().amax((0, 1, 2)) > 1e-6
    assert moved[12:24].all() and not moved[:11].any() and not moved[25:].any()


def test_without_minutes_the_geometry_model_stays_as_it_starts(tmp_path):
    config = dataclasses.replace(TINY, gfm_training=dataclasses.replace(TINY.gfm_training, minutes=0.0))
    train_gfm(config, tmp_path / "nothing", tmp_path, False)
    state = load_checkpoint(tmp_path / "gfm.pt")
    assert state["step"] == 0 and state["model"]["surface_head.out.weight"].abs().max() == 0


def test_a_tuned_cnn_learns_and_the_geometry_model_does_not():
    torch.manual_seed(0)
    model = TunedGeoMap(frozen_of(TINY), GeoMapHead(TINY), TINY.geomap.embedding).train()
    statistics = model.frozen.cnn.stem_norm.running_mean.clone()
    similarity = model.ground(pixels(0, 1, 96, 384, 3), MASK)[:, 0] @ model.satellite(pixels(1, 1, 128, 128, 3)).t()
    similarity.sum().backward()
    assert model.frozen.cnn.stem.conv.weight.grad.abs().max() > 0
    assert all(p.grad is None for p in model.frozen.gfm.parameters())
    assert model.frozen.cnn.stem_norm.running_mean.equal(statistics)
