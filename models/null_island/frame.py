"""Local metres to WGS84 and back."""

import math
from dataclasses import dataclass

EARTH_RADIUS_M = 6_371_004.0
METRES_PER_DEGREE = EARTH_RADIUS_M * math.pi / 180


@dataclass(frozen=True)
class CityFrame:
    """Where a city's south-west corner lies. A few kilometres across, so one scale for the whole city is exact to a millimetre."""

    lon0: float
    lat0: float

    def to_lonlat(self, x_m: float, y_m: float) -> tuple[float, float]:
        lat = self.lat0 + y_m / METRES_PER_DEGREE
        lon = self.lon0 + x_m / (METRES_PER_DEGREE * math.cos(math.radians(self.lat0)))
        return lon, lat

    def to_metres(self, lon: float, lat: float) -> tuple[float, float]:
        x_m = (lon - self.lon0) * METRES_PER_DEGREE * math.cos(math.radians(self.lat0))
        return x_m, (lat - self.lat0) * METRES_PER_DEGREE
