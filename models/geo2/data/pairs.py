"""Pairs for synthesis: a canvas and the imagery around its camera, both with the same azimuth in the middle and up."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..config import Config
from .canvas import limit_field_of_view
from .mosaic import Mosaic
from .samples import NARROWEST_FOV_DEG, WIDEST_FOV_DEG, place_query
from .view_set import Query

FILL = (124, 116, 104)
"""What the square of a ground view shows where the canvas has no data: the mean that the CNN was trained about."""


@dataclass(frozen=True)
class SynthesisPair:
    """canvas uint8 [H, W, 3] and mask [H, W] with azimuth up_deg in the middle; tile uint8 [T, T, 3] with up_deg up; columns: by which the first
    canvas of its query looks clockwise from up_deg, in steps of 8 px of the canvas."""

    canvas: np.ndarray
    mask: np.ndarray
    tile: np.ndarray
    up_deg: float
    columns: int


def to_square(image: np.ndarray, size_px: int) -> np.ndarray:
    """Resized to size x size, with a triangle filter as wide as the reduction in each axis."""
    if image.shape[:2] == (size_px, size_px):
        return image
    return np.asarray(Image.fromarray(image).resize((size_px, size_px), Image.Resampling.BILINEAR))


def ground_square(canvas: np.ndarray, mask: np.ndarray, size_px: int) -> np.ndarray:
    """A canvas as the autoencoder sees it."""
    return to_square(np.where(mask[..., None] == 1, canvas, np.array(FILL, np.uint8)), size_px)


def draw_pairs(
    image: np.ndarray, query: Query, mosaic: Mosaic, config: Config, rng: np.random.Generator, turns: int, up_deg: float | None = None
) -> list[SynthesisPair]:
    """A panorama turned `turns` ways, with a crop of the imagery for each. The ways are a random azimuth (or up_deg) and others that are whole
    columns of the embedding's lift from it."""
    if query.lon is None or query.lat is None:
        raise ValueError(f"{query.query_id}: lon and lat are needed for training")
    t, g = config.geoflow_training, config.geometry
    first = float(rng.uniform(0, 360)) if up_deg is None else up_deg
    canvas, mask = place_query(image, query, first, config)
    if rng.random() < t.limited_fov_share:
        canvas, mask = limit_field_of_view(canvas, mask, rng.uniform(-180, 180), rng.uniform(NARROWEST_FOV_DEG, WIDEST_FOV_DEG))
    columns = g.canvas_width_px // 8
    offset = t.offset_m / g.tile_m * g.tile_px
    pairs = []
    for k in range(turns):
        turn = 0 if k == 0 else int(rng.integers(columns))
        up = (first - turn * 360 / columns) % 360
        x, y = mosaic.pixel(np.array([[query.lon, query.lat]]))[0] + rng.uniform(-offset, offset, 2)
        # the canvas' middle moves to the right when up is counter-clockwise of where it looked
        pairs.append(SynthesisPair(np.roll(canvas, 8 * turn, 1), np.roll(mask, 8 * turn, 1), mosaic.turned_crop(x, y, g.tile_px, up), up, turn))
    return pairs
