"""The satellite view: an orthographic image, north up, sun shadows marched over the height map."""

import math

import numpy as np
from numba import njit

from .capture import (
    AMBIENT,
    BLUE,
    EXPOSURE,
    GREEN,
    MOVING,
    RED,
    SEASON,
    SUN,
    SUN_X,
    SUN_Y,
    SUN_Z,
    VEHICLES,
)
from .city import City
from .classes import BUILDING, CELL_M, TREE, VEHICLE, VEHICLE_HEIGHT_M
from .hashing import unit
from .shading import season_tint, sunlit, vehicle_colour, vehicle_present


@njit(cache=True, nogil=True)
def _render(height, cls, colour, identity, ceiling, west, north, px_m, capture, samples, seed, row0, col0, out, heights, classes):
    n = height.shape[0]
    share = capture[VEHICLES]
    moving = int(capture[MOVING])
    season = int(capture[SEASON])
    sx, sy, sz = capture[SUN_X], capture[SUN_Y], capture[SUN_Z]
    for j in range(out.shape[0]):
        for i in range(out.shape[1]):
            red = 0.0
            green = 0.0
            blue = 0.0
            top = 0.0
            seen = 0
            for s in range(samples * samples):
                a = (s % samples + unit(col0 + i, (row0 + j) * 8 + s, seed)) / samples
                b = (s // samples + unit(row0 + j, (col0 + i) * 8 + s, seed + 1)) / samples
                x = west + (i + a) * px_m
                y = north - (j + b) * px_m
                ix = min(n - 2, max(1, int(x / CELL_M)))
                iy = min(n - 2, max(1, int(y / CELL_M)))
                c = cls[iy, ix]
                code = identity[iy, ix]
                h = float(height[iy, ix])
                r = colour[iy, ix, 0] / 255.0
                g = colour[iy, ix, 1] / 255.0
                bl = colour[iy, ix, 2] / 255.0
                r, g, bl = season_tint(c, code, season, unit(ix, iy, 3), r, g, bl)
                light = sz
                seen = c
                if c == BUILDING or c == TREE:
                    gx = (height[iy, ix + 1] - height[iy, ix - 1]) / (2 * CELL_M)
                    gy = (height[iy + 1, ix] - height[iy - 1, ix]) / (2 * CELL_M)
                    if abs(gx) < 1.6 and abs(gy) < 1.6:
                        light = max(0.0, (-gx * sx - gy * sy + sz) / math.sqrt(1 + gx * gx + gy * gy))
                elif h == 0.0 and code != 0 and vehicle_present(code, share, moving):
                    r, g, bl = vehicle_colour(code, moving)
                    h = VEHICLE_HEIGHT_M
                    seen = VEHICLE
                lit = 0.0
                if capture[SUN] > 0.05:
                    lit = sunlit(height, cls, ceiling, x, y, h + 0.05, sx, sy, sz, unit(col0 + i, row0 + j, seed + s))
                power = capture[AMBIENT] + capture[SUN] * light * lit * 1.15
                red += r * power
                green += g * power
                blue += bl * power
                top += h
            count = samples * samples
            out[j, i, 0] = red / count * capture[EXPOSURE] * capture[RED]
            out[j, i, 1] = green / count * capture[EXPOSURE] * capture[GREEN]
            out[j, i, 2] = blue / count * capture[EXPOSURE] * capture[BLUE]
            heights[j, i] = top / count
            classes[j, i] = seen


def render_ortho(
    city: City, west_m: float, north_m: float, rows: int, cols: int, px_m: float, capture: np.ndarray, samples: int, seed: int, row0: int, col0: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Linear radiance [rows, cols, 3] float32, height above ground in metres [rows, cols] float32, class [rows, cols] uint8.

    west_m, north_m: the image's upper left corner in the city's frame. row0, col0: its place in a larger mosaic, so that sampling
    noise does not repeat. The height includes this capture's vehicles.
    """
    out = np.zeros((rows, cols, 3), np.float32)
    heights = np.zeros((rows, cols), np.float32)
    classes = np.zeros((rows, cols), np.uint8)
    _render(
        city.height,
        city.cls,
        city.colour,
        city.identity,
        city.ceiling,
        west_m,
        north_m,
        px_m,
        capture,
        samples,
        seed,
        row0,
        col0,
        out,
        heights,
        classes,
    )
    return out, heights, classes
