"""Training pairs from a view set: a canvas and a crop of the imagery that share a turn, with everything that training varies."""

from dataclasses import dataclass

import numpy as np

from ..config import Config
from .canvas import limit_field_of_view, place_panorama, place_photo
from .mosaic import Mosaic
from .view_set import Query, to_metres

NARROWEST_FOV_DEG, WIDEST_FOV_DEG = 60.0, 200.0


@dataclass(frozen=True)
class Sample:
    """canvas uint8 [H, W, 3] and mask uint8 [H, W]; tile uint8 [S, S, 3]; centre_m: the tile's centre, metres east and north of the
    mosaic's origin; query_m: the camera's."""

    canvas: np.ndarray
    mask: np.ndarray
    tile: np.ndarray
    centre_m: np.ndarray
    query_m: np.ndarray


def jitter_colour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random gain, gamma, white balance and saturation, moderate."""
    gain, gamma, saturation = rng.uniform(0.8, 1.25), rng.uniform(0.8, 1.25), rng.uniform(0.6, 1.3)
    balance = rng.uniform(0.92, 1.08, 3)
    levels = (np.arange(256) / 255.0) ** gamma * gain * 255
    tables = (levels[:, None] * balance).astype(np.float32)  # [256, 3]
    red, green, blue = (tables[:, c][image[..., c]] for c in range(3))
    grey = (red + green + blue) * np.float32((1 - saturation) / 3)
    return np.stack([np.clip(c * np.float32(saturation) + grey, 0, 255).astype(np.uint8) for c in (red, green, blue)], axis=-1)


def place_query(image: np.ndarray, query: Query, canvas_heading_deg: float, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """A query with known heading on a canvas whose middle looks towards canvas_heading_deg."""
    if query.heading_deg is None or query.fov_deg is None:
        raise ValueError(f"{query.query_id}: heading_deg and fov_deg are needed for training")
    place = place_panorama if query.kind == "panorama" else place_photo
    return place(image, query.fov_deg, query.heading_deg - canvas_heading_deg, config.geometry)


def _heading_error(config: Config, rng: np.random.Generator) -> float:
    t = config.geomap_training
    if rng.random() < t.heading_uniform_share:
        return float(rng.uniform(-t.heading_uniform_deg, t.heading_uniform_deg))
    return float(rng.normal(0, t.heading_sigma_deg))


def draw_sample(image: np.ndarray, query: Query, mosaic: Mosaic, config: Config, rng: np.random.Generator) -> Sample:
    """A turn for both views (half of the time a multiple of 90 degrees, which resamples nothing), a tile whose centre lies within a
    quarter of its side of the camera in each axis, as the nearest tile of a half-overlapping grid does."""
    g = config.geometry
    if query.lon is None or query.lat is None:
        raise ValueError(f"{query.query_id}: lon and lat are needed for training")
    exact = rng.random() < 0.5
    quarter_turns = int(rng.integers(4))
    up_deg = 90.0 * quarter_turns if exact else float(rng.uniform(0, 360))
    canvas_heading = up_deg + _heading_error(config, rng)
    if query.kind == "panorama" and image.shape[:2] == (g.canvas_height_px, g.canvas_width_px):  # whole columns: nothing is resampled
        columns = round(((query.heading_deg or 0.0) - canvas_heading) * g.canvas_width_px / 360)
        canvas, mask = np.roll(image, columns, axis=1), np.ones(image.shape[:2], np.uint8)
    else:
        canvas, mask = place_query(image, query, canvas_heading, config)
    if query.kind == "panorama" and rng.random() < config.geomap_training.limited_fov_share:
        canvas, mask = limit_field_of_view(canvas, mask, rng.uniform(-180, 180), rng.uniform(NARROWEST_FOV_DEG, WIDEST_FOV_DEG))
    canvas = jitter_colour(canvas, rng) * mask[..., None]
    x, y = mosaic.pixel(np.array([[query.lon, query.lat]]))[0]
    reach = g.tile_px / 4
    x, y = x + rng.uniform(-reach, reach), y + rng.uniform(-reach, reach)
    if exact:
        left, top = round(x - g.tile_px / 2), round(y - g.tile_px / 2)
        tile = mosaic.aligned_crop(left, top, g.tile_px, quarter_turns)
        x, y = left + g.tile_px / 2, top + g.tile_px / 2
    else:
        tile = mosaic.turned_crop(x, y, g.tile_px, up_deg)
    centre_m = np.array([x, -y]) * mosaic.metres_per_px
    query_m = to_metres(np.array([[query.lon, query.lat]]), mosaic.origin)[0]
    return Sample(canvas, mask, jitter_colour(tile, rng), centre_m, query_m)
