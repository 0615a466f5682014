"""Equirectangular to perspective and back, against analytic directions."""

import math

import pytest
import torch
from torch import Tensor

from geo2.config import Config
from geo2.geometry.e2p import EquirectangularToPerspective, PerspectiveToEquirectangular, bilinear_gather, view_rays

YAWS = (225.0, 315.0, 45.0, 135.0)
CANVASES = [(384, 96, 45.0, -45.0), (360, 100, 60.0, -40.0), (256, 256, 90.0, -90.0)]


def canvas_of_directions(width: int, height: int, top_deg: float, bottom_deg: float) -> Tensor:
    """Each pixel holds its own direction (east, north, up), [1, 3, height, width]."""
    azimuth = torch.deg2rad(((torch.arange(width, dtype=torch.float64) + 0.5) / width - 0.5) * 360)
    elevation = torch.deg2rad(top_deg + (bottom_deg - top_deg) * (torch.arange(height, dtype=torch.float64) + 0.5) / height)
    el, az = torch.meshgrid(elevation, azimuth, indexing="ij")
    return torch.stack([az.sin() * el.cos(), az.cos() * el.cos(), el.sin()])[None].float()


def rolled(canvas: Tensor, degrees: float) -> Tensor:
    """What the camera sees after the world turned clockwise by so many degrees: content moves to the right."""
    return torch.roll(canvas, round(degrees / 360 * canvas.shape[-1]), dims=-1)


def random_canvas(width: int, height: int) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("yaw_deg", [0.0, 45.0, 135.0, 200.0, 315.0])
def test_the_middle_of_a_view_looks_along_its_yaw_and_its_edges_half_a_field_of_view_beside(yaw_deg: float):
    rays = view_rays(97, 90.0, yaw_deg)
    yaw = math.radians(yaw_deg)
    assert rays[48, 48].tolist() == pytest.approx([math.sin(yaw), math.cos(yaw), 0])
    assert rays.norm(dim=-1).allclose(torch.ones(97, 97, dtype=torch.float64))
    half_pixel = math.degrees(math.atan(96 / 97))  # the outermost pixel's middle
    azimuth = torch.rad2deg(torch.atan2(rays[48, :, 0], rays[48, :, 1]))
    assert ((azimuth[-1] - yaw_deg + 180) % 360 - 180).item() == pytest.approx(half_pixel)
    assert ((azimuth[0] - yaw_deg + 180) % 360 - 180).item() == pytest.approx(-half_pixel)
    assert torch.rad2deg(torch.asin(rays[0, 48, 2])).item() == pytest.approx(half_pixel), "row 0 is above"


@pytest.mark.parametrize("width, height, top_deg, bottom_deg", CANVASES)
@pytest.mark.parametrize("fov_deg", [60.0, 90.0])
def test_a_view_shows_each_direction_where_the_pinhole_puts_it(width: int, height: int, top_deg: float, bottom_deg: float, fov_deg: float):
    e2p = EquirectangularToPerspective(width, height, top_deg, bottom_deg, (*YAWS, 10.0), fov_deg, 40)
    seen = e2p(canvas_of_directions(width, height, top_deg, bottom_deg))[0]
    assert seen.shape == (5, 3, 40, 40)
    for view, yaw in enumerate((*YAWS, 10.0)):
        rays = view_rays(40, fov_deg, yaw).float()
        elevation = torch.rad2deg(torch.asin(rays[..., 2]))
        pixel_deg = (top_deg - bottom_deg) / height
        inside = (elevation < top_deg - pixel_deg) & (elevation > bottom_deg + pixel_deg)
        assert inside.float().mean() > 0.6
        error = (seen[view].permute(1, 2, 0) - rays)[inside].abs().max().item()
        assert error < 2 * math.radians(max(pixel_deg, 360 / width)) ** 2, "no more than bilinear interpolation errs"


def test_what_a_view_sees_beyond_the_canvas_is_zero():
    e2p = EquirectangularToPerspective(384, 96, 30.0, -20.0, YAWS, 90.0, 48)
    seen = e2p(torch.ones(1, 1, 96, 384))[0, :, 0]
    for view, yaw in enumerate(YAWS):
        elevation = torch.rad2deg(torch.asin(view_rays(48, 90.0, yaw)[..., 2]))
        assert (seen[view][(elevation > 31) | (elevation < -21)] == 0).all()
        assert seen[view][(elevation < 29) & (elevation > -19)].allclose(torch.tensor(1.0))


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turning_the_canvas_by_90_degrees_permutes_the_views(quarters: int):
    canvas = random_canvas(384, 96)
    e2p = EquirectangularToPerspective(384, 96, 45.0, -45.0, YAWS, 90.0, 32)
    before, after = e2p(canvas), e2p(rolled(canvas, 90 * quarters))
    for view, yaw in enumerate(YAWS):
        came_from = YAWS.index((yaw - 90 * quarters) % 360)
        assert after[:, view].allclose(before[:, came_from], atol=1e-5)
        assert not after[:, view].allclose(before[:, view], atol=0.1)


def test_the_views_of_the_default_configuration_see_every_column_of_the_canvas():
    config = Config()
    g, f = config.geometry, config.gfm
    e2p = EquirectangularToPerspective(
        g.canvas_width_px, g.canvas_height_px, g.elevation_top_deg, g.elevation_bottom_deg, f.view_yaws_deg, f.view_fov_deg, f.view_px
    )
    canvas = torch.zeros(1, 1, g.canvas_height_px, g.canvas_width_px, requires_grad=True)
    e2p(canvas).sum().backward()
    assert canvas.grad is not None
    seen = canvas.grad[0, 0] > 0
    assert seen[g.canvas_height_px // 2].all()


@pytest.mark.parametrize("grid_width, grid_height, top_deg, bottom_deg", [(96, 24, 45.0, -45.0), (60, 31, 30.0, -40.0)])
def test_views_put_back_on_the_canvas_are_the_canvas(grid_width: int, grid_height: int, top_deg: float, bottom_deg: float):
    size = 128
    views = torch.stack([view_rays(size, 90.0, yaw) for yaw in YAWS]).permute(0, 3, 1, 2)[None].float()
    back = PerspectiveToEquirectangular(YAWS, 90.0, size, grid_width, grid_height, top_deg, bottom_deg)(views)
    truth = canvas_of_directions(grid_width, grid_height, top_deg, bottom_deg)
    assert back.shape == truth.shape
    elevation, azimuth = torch.asin(truth[0, 2]), torch.atan2(truth[0, 0], truth[0, 1])
    from_view = (torch.rad2deg(azimuth) % 90 - 45).abs()  # degrees from the middle of the nearest view
    seen = elevation.tan().abs() / torch.deg2rad(from_view).cos() < 1 - 1 / size
    seen &= from_view < 44.5
    assert seen.float().mean() > 0.7
    assert (back - truth)[0, :, seen].abs().max() < 1e-3
    assert back.isfinite().all(), "directions that no view sees take the nearest edge"


def test_a_canvas_cut_into_views_and_put_back_is_the_canvas():
    canvas = canvas_of_directions(384, 96, 45.0, -45.0)
    views = EquirectangularToPerspective(384, 96, 45.0, -45.0, YAWS, 90.0, 192)(canvas)
    back = PerspectiveToEquirectangular(YAWS, 90.0, 192, 384, 96, 45.0, -45.0)(views)
    middle = slice(20, 76)  # below 36 degrees of elevation every azimuth is in a view
    assert (back - canvas)[..., middle, :].abs().max() < 0.01


def test_a_gather_agrees_with_grid_sample_on_an_image_that_is_not_square():
    image = random_canvas(13, 7)
    generator = torch.Generator().manual_seed(1)
    x, y = torch.rand(200, generator=generator) * 15 - 1.5, torch.rand(200, generator=generator) * 9 - 1.5
    index, weight = bilinear_gather(x, y, 13, 7, wraps=False)
    ours = (image.flatten(2)[:, :, index] * weight).sum(-1)
    grid = torch.stack([(x + 0.5) / 13 * 2 - 1, (y + 0.5) / 7 * 2 - 1], -1)[None, None].expand(2, -1, -1, -1)
    theirs = torch.nn.functional.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)[:, :, 0]
    assert ours.allclose(theirs, atol=1e-5)


def test_columns_wrap_where_asked_and_weights_sum_to_one_between_the_outermost_rows():
    image = torch.arange(8.0).repeat(4, 1)[None, None]  # [1, 1, 4, 8]: the value is the column
    index, weight = bilinear_gather(torch.tensor([7.5, -0.25, 3.0]), torch.tensor([1.0, 2.5, 0.0]), 8, 4, wraps=True)
    assert (image.flatten(2)[:, :, index] * weight).sum(-1).flatten().tolist() == pytest.approx([3.5, 0.25 * 7, 3.0])
    assert weight.sum(-1).tolist() == pytest.approx([1, 1, 1])


def test_a_canvas_of_another_size_is_refused_with_both_sizes():
    e2p = EquirectangularToPerspective(384, 96, 45.0, -45.0, YAWS, 90.0, 32)
    with pytest.raises(ValueError, match="expected 96 x 384 px, got 100 x 360"):
        e2p(random_canvas(360, 100))
