"""A city's imagery as one image, put together from its overlapping tiles; crops of it at any place and turn."""

import math
from dataclasses import dataclass

import numpy as np

from .view_set import Tile, ViewSet, to_metres


@dataclass(frozen=True)
class Mosaic:
    """image: uint8 RGB [H, W, 3], north up. origin: lon, lat of its north-west corner. metres_per_px: of both axes."""

    image: np.ndarray
    origin: tuple[float, float]
    metres_per_px: float

    def pixel(self, lonlat: np.ndarray) -> np.ndarray:
        """Degrees [n, 2] to pixel-edge coordinates (x, y) [n, 2]: 0, 0 is the north-west corner."""
        metres = to_metres(lonlat, self.origin)
        return metres * np.array([1, -1]) / self.metres_per_px

    def aligned_crop(self, x: int, y: int, size_px: int, quarter_turns: int) -> np.ndarray:
        """Pixels [y, y + size) x [x, x + size), turned so that azimuth 90 * quarter_turns is up; what lies outside repeats the edge."""
        rows = np.clip(np.arange(y, y + size_px), 0, self.image.shape[0] - 1)
        columns = np.clip(np.arange(x, x + size_px), 0, self.image.shape[1] - 1)
        return np.rot90(self.image[np.ix_(rows, columns)], quarter_turns).copy()

    def turned_crop(self, x: float, y: float, size_px: int, up_deg: float) -> np.ndarray:
        """size x size crop centred at pixel-edge coordinates x, y, bilinear, with azimuth `up_deg` up."""
        offset = np.arange(size_px) + 0.5 - size_px / 2
        c, s = math.cos(math.radians(up_deg)), math.sin(math.radians(up_deg))
        # image axes: right is azimuth up + 90 degrees; rows grow to the south
        px = x + offset[None, :] * c - offset[:, None] * s - 0.5
        py = y + offset[None, :] * s + offset[:, None] * c - 0.5
        H, W = self.image.shape[:2]
        px, py = np.clip(px, 0, W - 1), np.clip(py, 0, H - 1)
        x0, y0 = np.minimum(px.astype(np.int64), W - 2), np.minimum(py.astype(np.int64), H - 2)
        fx, fy = (px - x0)[..., None], (py - y0)[..., None]
        flat = self.image.reshape(-1, 3)
        i = y0 * W + x0
        upper = flat[i] * (1 - fx) + flat[i + 1] * fx
        lower = flat[i + W] * (1 - fx) + flat[i + W + 1] * fx
        return np.floor(upper * (1 - fy) + lower * fy + 0.5).astype(np.uint8)


def city_of(identifier: str) -> str:
    """The part of a world's tile or query id that names its city."""
    return identifier.split("_", 1)[0]


def build_mosaic(view_set: ViewSet, tiles: list[Tile], tile_m: float, images: list[np.ndarray]) -> Mosaic:
    """Tiles on one grid of half a tile; later tiles overwrite what they share with earlier ones (they show the same)."""
    size = images[0].shape[0]
    metres_per_px = tile_m / size
    origin = (min(t.west for t in tiles), max(t.north for t in tiles))
    corners = to_metres(np.array([(t.west, t.north) for t in tiles]), origin) * np.array([1, -1]) / metres_per_px
    corners = np.rint(corners).astype(int)
    width, height = corners.max(0) + size
    mosaic = np.zeros((height, width, 3), np.uint8)
    for (x, y), image in zip(corners, images, strict=True):
        if image.shape[:2] != (size, size):
            raise ValueError(f"{view_set.folder.name}: expected tiles of {size} x {size} px, got {image.shape[1]} x {image.shape[0]}")
        mosaic[y : y + size, x : x + size] = image
    return Mosaic(mosaic, origin, metres_per_px)
