"""Where a query may be taken: standing room on streets, pavements, paths and some lawns."""

import numpy as np

from .city import City
from .classes import CELL_M, GRASS, PARKING, PATH, PAVEMENT, ROAD

STANDING_SHARE = {ROAD: 1.0, PAVEMENT: 0.5, PATH: 0.4, PARKING: 0.4, GRASS: 0.08}
"""How readily a place of that class is drawn; nothing else is stood on."""


def is_standing_room(city: City, x_m: float, y_m: float) -> bool:
    """Whether a camera fits: nothing higher than 1 m within 0.8 m."""
    ix, iy = int(x_m / CELL_M), int(y_m / CELL_M)
    return bool((city.height[iy - 2 : iy + 3, ix - 2 : ix + 3] < 1.0).all())


def draw_place(city: City, rng: np.random.Generator, west: float, south: float, east: float, north: float) -> tuple[float, float]:
    """A position drawn uniformly from the standing room of a rectangle (metres, city frame).

    Raises RuntimeError where the rectangle has (almost) none.
    """
    for _ in range(20_000):
        x_m, y_m = rng.uniform(west, east), rng.uniform(south, north)
        share = STANDING_SHARE.get(int(city.cls[int(y_m / CELL_M), int(x_m / CELL_M)]), 0.0)
        if rng.random() < share and is_standing_room(city, x_m, y_m):
            return x_m, y_m
    raise RuntimeError(f"no standing room between ({west:.0f}, {south:.0f}) and ({east:.0f}, {north:.0f}) m")
