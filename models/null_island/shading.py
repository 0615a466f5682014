"""What both renderers share: seasonal tint, vehicles, hard sun shadows marched over the height map."""

import math

from numba import njit

from .capture import AUTUMN, SPRING, WINTER
from .classes import CELL_M, GRASS, HEDGE, TREE, VEHICLE_HEIGHT_M
from .hashing import hash3, unit

SKYLINE_M = 48.0
"""No building or tree is higher: a ray above it sees the sky."""


@njit(inline="always")
def season_tint(cls, identity, season, grain, r, g, b):
    """Vegetation changes with the season, everything varies a little from cell to cell (grain in [0, 1))."""
    if cls == TREE or cls == GRASS or cls == HEDGE:
        if season == AUTUMN:
            if cls == TREE:
                k = unit(identity >> 1, 91, 0)
                r, g, b = r * (1.2 + 2.6 * k), g * (1.0 + 0.35 * k), b * 0.8
            else:
                r, g, b = r * 1.25, g, b * 0.95
        elif season == SPRING:
            r, g, b = r * 0.95, g * 1.22, b * 0.9
        elif season == WINTER:
            if cls == TREE and unit(identity >> 1, 92, 0) < 0.6:
                r, g, b = r * 2.0, g * 1.05, b * 1.7
            else:
                r, g, b = r * 1.45, g * 1.02, b * 1.1
    m = 0.86 + 0.28 * grain
    return r * m, g * m, b * m


@njit(inline="always")
def vehicle_present(identity, share, moving_seed):
    """Whether this slot holds a vehicle in this capture."""
    return unit(identity, moving_seed, 5) < share


@njit(inline="always")
def vehicle_colour(identity, moving_seed):
    k = hash3(identity, moving_seed, 6)
    v = 0.1 + 0.8 * unit(k, 1, 0)
    r, g, b = v, v, v
    if unit(k, 2, 0) < 0.3:
        r, g, b = unit(k, 3, 0), v * 0.5, unit(k, 4, 0) * 0.7
    return r, g, b


@njit(inline="always")
def person_at(x, y, share, moving_seed):
    """Distance in metres to the person of this 2.5 m square of pavement, 99 when nobody stands there."""
    i = int(math.floor(x / 2.5))
    j = int(math.floor(y / 2.5))
    who = hash3(i, j, moving_seed + 17)
    if unit(who, 1, 0) >= share:
        return 99.0
    px = (i + 0.2 + 0.6 * unit(who, 2, 0)) * 2.5
    py = (j + 0.2 + 0.6 * unit(who, 3, 0)) * 2.5
    return math.sqrt((x - px) ** 2 + (y - py) ** 2)


@njit(inline="always")
def sunlit(height, cls, ceiling, x, y, z, sx, sy, sz, jitter):
    """1.0 when the sun reaches the point, 0.0 in shadow; canopies cast shadow only above their base."""
    n = height.shape[0]
    t = 0.5 + 0.5 * jitter
    for _ in range(160):
        zz = z + sz * t
        if zz > SKYLINE_M:
            return 1.0
        ix = int((x + sx * t) / CELL_M)
        iy = int((y + sy * t) / CELL_M)
        if ix < 0 or iy < 0 or ix >= n or iy >= n:
            return 1.0
        if zz > ceiling[iy >> 3, ix >> 3]:
            t += 3.0
            continue
        h = height[iy, ix]
        if h > zz and (cls[iy, ix] != TREE or zz > 2.0):
            return 0.0
        t += 0.45 + 0.02 * t
    return 1.0


@njit(inline="always")
def ground_height(identity, h, share, moving_seed):
    """Height of a cell including the vehicle that this capture may have put there."""
    if h == 0.0 and identity != 0 and vehicle_present(identity, share, moving_seed):
        return VEHICLE_HEIGHT_M
    return h
