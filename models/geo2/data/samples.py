"""Training pairs from a view set: a canvas and crops of the imagery around it, with everything that training varies."""

from dataclasses import dataclass

import numpy as np

from ..config import Config
from .canvas import limit_field_of_view, place_panorama, place_photo
from .mosaic import Mosaic
from .view_set import Query, to_metres

NARROWEST_FOV_DEG, WIDEST_FOV_DEG = 60.0, 200.0


@dataclass(frozen=True)
class GroundSample:
    """canvas uint8 [H, W, 3] and mask uint8 [H, W]; query_m: the camera, metres east and north of the mosaic's origin."""

    canvas: np.ndarray
    mask: np.ndarray
    query_m: np.ndarray


@dataclass(frozen=True)
class TileSample:
    """image uint8 [S, S, 3] with azimuth up_deg up; centre_m: its centre, metres east and north of the mosaic's origin. turn: columns by
    which the query's canvas looks clockwise from up, as training assumes; the truth differs by a heading error."""

    image: np.ndarray
    centre_m: np.ndarray
    up_deg: float
    turn: int


@dataclass(frozen=True)
class Standing:
    """Where B pairs of query and tile stand: city [B]; query_m and centre_m [B, 2], camera and tile's centre in metres of the city's frame;
    up_deg [B], the azimuth that is up in the tile."""

    city: np.ndarray
    query_m: np.ndarray
    centre_m: np.ndarray
    up_deg: np.ndarray


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


def draw_sample(image: np.ndarray, query: Query, mosaic: Mosaic, config: Config, rng: np.random.Generator) -> tuple[GroundSample, list[TileSample]]:
    """A query on a canvas of a random heading, and crops of the imagery around it, each with a turn of its own. Half of the first crops
    are turned by a multiple of 90 degrees, which resamples nothing."""
    if query.lon is None or query.lat is None:
        raise ValueError(f"{query.query_id}: lon and lat are needed for training")
    column_deg = 360 * 8 / config.geometry.canvas_width_px
    first_up = 90.0 * rng.integers(4) if rng.random() < 0.5 else rng.uniform(0, 360)
    turn = int(rng.integers(round(360 / column_deg)))
    canvas_heading = first_up + turn * column_deg + _heading_error(config, rng)
    ground = _draw_ground(image, query, canvas_heading, mosaic, config, rng)
    tiles = [_draw_tile(query, mosaic, config, rng, float(first_up), turn)]
    for _ in range(1, config.geomap_training.tiles_per_query):
        turn = int(rng.integers(round(360 / column_deg)))
        up_deg = (canvas_heading - turn * column_deg - _heading_error(config, rng)) % 360
        tiles.append(_draw_tile(query, mosaic, config, rng, float(up_deg), turn))
    return ground, tiles


def _draw_ground(image: np.ndarray, query: Query, canvas_heading: float, mosaic: Mosaic, config: Config, rng: np.random.Generator) -> GroundSample:
    g = config.geometry
    if query.kind == "panorama" and image.shape[:2] == (g.canvas_height_px, g.canvas_width_px):  # whole columns: nothing is resampled
        columns = round(((query.heading_deg or 0.0) - canvas_heading) * g.canvas_width_px / 360)
        canvas, mask = np.roll(image, columns, axis=1), np.ones(image.shape[:2], np.uint8)
    else:
        canvas, mask = place_query(image, query, canvas_heading, config)
    if query.kind == "panorama" and rng.random() < config.geomap_training.limited_fov_share:
        canvas, mask = limit_field_of_view(canvas, mask, rng.uniform(-180, 180), rng.uniform(NARROWEST_FOV_DEG, WIDEST_FOV_DEG))
    canvas = jitter_colour(canvas, rng) * mask[..., None]
    return GroundSample(canvas, mask, to_metres(np.array([[query.lon, query.lat]]), mosaic.origin)[0])


def _draw_tile(query: Query, mosaic: Mosaic, config: Config, rng: np.random.Generator, up_deg: float, turn: int) -> TileSample:
    """Its centre lies within a quarter of its side of the camera in each axis, as the nearest tile of a half-overlapping grid does."""
    size = config.geometry.tile_px
    x, y = mosaic.pixel(np.array([[query.lon, query.lat]]))[0] + rng.uniform(-size / 4, size / 4, 2)
    if up_deg % 90 == 0:
        left, top = round(x - size / 2), round(y - size / 2)
        image = mosaic.aligned_crop(left, top, size, round(up_deg / 90))
        x, y = left + size / 2, top + size / 2
    else:
        image = mosaic.turned_crop(x, y, size, up_deg)
    return TileSample(jitter_colour(image, rng), np.array([x, -y]) * mosaic.metres_per_px, up_deg, turn)
