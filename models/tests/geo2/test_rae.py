"""The autoencoder's halves, and the pairs that both views are made of."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from geo2.config import Config, load_config, parse_config, to_dict
from geo2.data.mosaic import Mosaic
from geo2.data.pairs import FILL, draw_pairs, ground_square, to_square
from geo2.data.view_set import EARTH_RADIUS_M, Query
from geo2.models.rae import LatentDecoder, LatentEncoder, build_encoder, latent_shape, to_pixels

TINY = load_config(Path(__file__).parents[2] / "configs" / "geo2" / "tiny.yaml")


def with_rae(**values) -> Config:
    return dataclasses.replace(TINY, rae=dataclasses.replace(TINY.rae, **values))


def squares_of(count: int) -> torch.Tensor:
    coarse = torch.rand(count, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    return (torch.nn.functional.interpolate(coarse, (64, 64), mode="bilinear") * 255).permute(0, 2, 3, 1).to(torch.uint8)


@torch.no_grad()
@pytest.mark.parametrize(
    ("names", "cut", "channels"),
    [(("cnn8",), 0, 40), (("cnn4", "cnn8"), 48, 48), (("gfm4",), 0, 192), (("gfm8", "gfm16"), 0, 96 + 64), (("dense4", "dense8"), 24, 24)],
)
def test_latents_of_any_features_have_mean_zero_and_deviation_one_in_every_channel(names, cut, channels):
    torch.manual_seed(0)
    config = with_rae(encoder=names, channels=cut)
    encoder = LatentEncoder(config).eval()
    squares = squares_of(12)
    encoder.set_statistics(encoder.features(part) for part in squares.split(5))
    latent = encoder(squares)
    assert latent.shape[1:] == latent_shape(config) == (channels, 8, 8)
    assert latent.mean((0, 2, 3)).abs().max() < 1e-3 and (latent.std((0, 2, 3)) - 1).abs().max() < 2e-2
    if cut:
        flat = latent.transpose(0, 1).flatten(1)
        assert (torch.corrcoef(flat) - torch.eye(cut)).abs().max() < 0.02, "components are not correlated"
    assert LatentDecoder(config)(latent).shape == (12, 3, 64, 64)
    again = build_encoder(config, encoder.state())
    assert again(squares).equal(latent)


@torch.no_grad()
def test_the_first_components_hold_what_varies_together():
    encoder = LatentEncoder(with_rae(encoder=("cnn8",), channels=1)).eval()
    common = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    scale = torch.linspace(0.1, 100, 40)[None, :, None, None]
    features = scale * (common + 0.1 * torch.randn(20, 40, 8, 8, generator=torch.Generator().manual_seed(2)))
    encoder.set_statistics([features])
    kept = encoder.components[0].abs() * scale.flatten()
    assert kept.std() / kept.mean() < 0.05, "every feature counts alike, whatever its scale"


def test_an_encoder_that_is_none_and_a_checkpoint_of_another_are_refused():
    with pytest.raises(ValueError, match=r"encoder: expected a list of different ones of cnn4, .*, got \['vgg'\]"):
        with_rae(encoder=("vgg",))
    with pytest.raises(ValueError, match=r"channels: expected 0 to 40, what .* have, got 41"):
        latent_shape(with_rae(channels=41))
    with pytest.raises(ValueError, match=r"rae\.encoder: expected a list, got 'cnn8'"):
        parse_config({"rae": {"encoder": "cnn8"}})
    state = LatentEncoder(TINY).state() | {"config": to_dict(TINY)}
    with pytest.raises(ValueError, match="train stage rae with this configuration"):
        build_encoder(with_rae(channels=8), state)


@torch.no_grad()
def test_the_decoder_gives_eight_times_the_cells_whatever_their_number_and_pixels_stay_in_range():
    torch.manual_seed(0)
    image = LatentDecoder(TINY).eval()(torch.randn(2, 40, 6, 10) * 50)
    assert image.shape == (2, 3, 48, 80)
    pixels = to_pixels(torch.tensor([-1e9, -0.1, 0.5, 1.1, 1e9])[None, None, None].expand(1, 3, 1, 5))
    assert pixels[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255]
    with pytest.raises(ValueError, match="widths: expected three"):
        LatentDecoder(dataclasses.replace(TINY, rae=dataclasses.replace(TINY.rae, widths=(8, 8))))


def test_a_view_is_resized_with_a_filter_as_wide_as_the_reduction_and_missing_pixels_are_grey():
    stripes = np.zeros((32, 384, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.abs(to_square(stripes, 32).astype(int) - 100).max() <= 2
    mask = np.ones((32, 384), np.uint8)
    mask[:, 192:] = 0
    square = ground_square(stripes, mask, 32)
    assert (square[:, 20:] == FILL).all() and np.abs(square[:, :12].astype(int) - 100).max() <= 2


def bearing_world() -> tuple[np.ndarray, Query, Mosaic]:
    """Red in the north of camera and mosaic, green in the east, blue in the south, black in the west, half an octant each side."""
    size = 400
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    azimuth = np.degrees(np.arctan2(x, -y)) % 360
    colour = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 0]], np.uint8)
    mosaic = Mosaic(colour[((azimuth + 45) // 90).astype(int) % 4], (0.0, 0.0), 70 / 128)
    panorama = np.repeat(colour[((((np.arange(384) + 0.5) / 384 - 0.5) * 360 % 360 + 45) // 90).astype(int) % 4][None], 96, axis=0)
    per_degree = EARTH_RADIUS_M * np.pi / 180
    middle = size / 2 * 70 / 128 / per_degree
    return panorama, Query("q", "", "panorama", middle, -middle, 0.0, 360.0, "train"), mosaic


def test_what_is_in_the_middle_of_the_canvas_is_at_the_top_of_the_tile():
    panorama, query, mosaic = bearing_world()
    plain = dataclasses.replace(TINY, geoflow_training=dataclasses.replace(TINY.geoflow_training, limited_fov_share=0.0))
    drawn = draw_pairs(panorama, query, mosaic, plain, np.random.default_rng(5), 12)
    assert len({pair.columns for pair in drawn}) > 6
    for pair in drawn:
        assert (drawn[0].up_deg - pair.columns * 7.5 - pair.up_deg) % 360 == pytest.approx(0, abs=1e-6)
        for clockwise in range(0, 360, 90):
            if abs((pair.up_deg + clockwise) % 90 - 45) < 8:
                continue  # where colours meet
            column = int((clockwise / 360 + 0.5) * 384) % 384
            angle = np.radians(clockwise)
            row, right = round(63.5 - 50 * np.cos(angle)), round(63.5 + 50 * np.sin(angle))
            seen, above = pair.canvas[48, column].astype(int), pair.tile[row, right].astype(int)
            assert np.abs(seen - above).max() < 30, (pair.up_deg, clockwise)


def test_a_limited_field_of_view_is_the_same_part_of_the_scene_in_every_turn():
    panorama, query, mosaic = bearing_world()
    limited = dataclasses.replace(TINY, geoflow_training=dataclasses.replace(TINY.geoflow_training, limited_fov_share=1.0))
    drawn = draw_pairs(panorama, query, mosaic, limited, np.random.default_rng(6), 4)
    for pair in drawn:
        assert np.roll(pair.mask, -8 * pair.columns, axis=1).tolist() == drawn[0].mask.tolist()
        assert 60 / 360 <= pair.mask.mean() <= 200 / 360 + 0.01
        assert (pair.canvas[pair.mask == 0] == 0).all()
