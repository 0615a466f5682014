import math

import numpy as np
import pytest

from geo2.config import GeometryConfig
from geo2.data.canvas import limit_field_of_view, place_panorama, place_photo
from geo2.data.mosaic import Mosaic, build_mosaic
from geo2.data.view_set import Tile, ViewSet, read_view_set

G = GeometryConfig()


def column_of(azimuth_deg: float) -> int:
    return int((azimuth_deg / 360 + 0.5) * G.canvas_width_px)


def test_a_panorama_of_the_canvas_size_with_heading_zero_is_the_canvas_itself():
    image = np.random.default_rng(0).integers(0, 255, (96, 384, 3), dtype=np.uint8)
    canvas, mask = place_panorama(image, 360, 0, G)
    assert (canvas == image).all() and mask.all()


@pytest.mark.parametrize("columns", [0, 1, 96, 200, 383])
def test_a_heading_of_whole_columns_rolls_the_panorama_to_the_right(columns):
    image = np.random.default_rng(1).integers(0, 255, (96, 384, 3), dtype=np.uint8)
    canvas, _ = place_panorama(image, 360, columns * 360 / 384, G)
    assert (canvas == np.roll(image, columns, axis=1)).all()


@pytest.mark.parametrize("fov_deg", [60, 75, 90])
@pytest.mark.parametrize("heading_deg", [0, 50, -170])
def test_a_photo_covers_its_field_of_view_about_its_heading(fov_deg, heading_deg):
    photo = np.full((144, 192, 3), 200, np.uint8)
    canvas, mask = place_photo(photo, fov_deg, heading_deg, G)
    covered = mask.any(0).sum() * 360 / G.canvas_width_px
    assert covered == pytest.approx(fov_deg, abs=2)
    assert mask[:, column_of(heading_deg)].any()
    assert not mask[:, column_of((heading_deg + 180 + 180) % 360 - 180)].any()
    assert (canvas[mask == 0] == 0).all() and (canvas[mask == 1] == 200).all()


def test_a_mark_at_a_photos_edge_lands_at_the_edge_of_its_field_of_view():
    photo = np.zeros((150, 200, 3), np.uint8)
    photo[:, 195:] = 255
    canvas, _ = place_photo(photo, 80, 0, G)
    bright = np.flatnonzero(canvas[48].max(-1) > 128)
    expected = math.degrees(math.atan((197.5 - 100) / 100 * math.tan(math.radians(40))))
    assert ((bright.mean() + 0.5) / 384 - 0.5) * 360 == pytest.approx(expected, abs=1.0)


def test_a_limited_field_of_view_wraps_around_the_back():
    image, mask = np.full((96, 384, 3), 9, np.uint8), np.ones((96, 384), np.uint8)
    kept, kept_mask = limit_field_of_view(image, mask, 180, 90)
    assert kept_mask.any(0).sum() == 96
    assert kept_mask[0, 0] == 1 and kept_mask[0, -1] == 1 and kept_mask[0, 192] == 0
    assert (kept[kept_mask == 0] == 0).all()


def test_quarter_turns_of_a_crop_agree_with_bilinear_turning():
    image = np.random.default_rng(2).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    mosaic = Mosaic(image, (0.0, 0.0), 0.5)
    for turns in range(4):
        assert (mosaic.aligned_crop(40, 60, 128, turns) == mosaic.turned_crop(104, 124, 128, 90 * turns)).all()


def test_the_azimuth_that_a_crop_is_turned_to_is_up():
    image = np.zeros((301, 301, 3), np.uint8)
    image[148:153, 190:195] = 255  # 42 px east of the middle
    mosaic = Mosaic(image, (0.0, 0.0), 1.0)
    for up_deg, (dy, dx) in {0: (0, 42), 90: (-42, 0), 180: (0, -42), 45: (-29.7, 29.7)}.items():
        crop = mosaic.turned_crop(150.5, 150.5, 128, up_deg)
        y, x = (np.argwhere(crop[..., 0] > 100) + 0.5).mean(0) - 64
        assert (y, x) == pytest.approx((dy, dx), abs=1.0), up_deg


def test_a_mosaic_puts_tiles_back_where_they_were_cut():
    world = np.random.default_rng(3).integers(0, 255, (64 * 4, 64 * 5, 3), dtype=np.uint8)
    per_px = 70 / 128 / (6_371_004 * math.pi / 180)
    tiles, images = [], []
    for row in range(3):
        for column in range(4):
            y, x = 64 * row, 64 * column
            tiles.append(Tile(f"c0_{row}_{column}", "", x * per_px, -(y + 128) * per_px, (x + 128) * per_px, -y * per_px))
            images.append(world[y : y + 128, x : x + 128])
    mosaic = build_mosaic(ViewSet(None, tuple(tiles), ()), tiles, 70.0, images)
    assert (mosaic.image == world).all()


def test_a_view_set_without_a_column_is_refused_by_name(tmp_path):
    (tmp_path / "tiles.csv").write_text("tile_id,image,west,south,east\n")
    (tmp_path / "queries.csv").write_text("query_id\n")
    with pytest.raises(ValueError, match="missing north"):
        read_view_set(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"tiles\.csv"):
        read_view_set(tmp_path / "nowhere")
