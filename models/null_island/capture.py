"""When and how a view is taken: sun, season, weather, exposure, who is in the street. Drawn apart for ground and satellite."""

import math
from dataclasses import dataclass

import numpy as np

SUMMER, AUTUMN, SPRING, WINTER = 0, 1, 2, 3


@dataclass(frozen=True)
class Capture:
    """sun: unit vector towards the sun (east, north, up). Intensities are relative to white paper in full sun at 1."""

    sun: tuple[float, float, float]
    sun_intensity: float
    ambient: float
    season: int
    vehicle_share: float
    person_share: float
    moving_seed: int
    exposure: float
    white_balance: tuple[float, float, float]
    haze_per_m: float
    cloud: float
    gamma: float
    saturation: float
    noise: float

    def vector(self) -> np.ndarray:
        """The parameters that kernels read: float64 [15], in the order of `SUN_X` and its neighbours."""
        return np.array(
            [
                *self.sun,
                self.sun_intensity,
                self.ambient,
                self.season,
                self.vehicle_share,
                self.person_share,
                self.moving_seed,
                self.exposure,
                *self.white_balance,
                self.haze_per_m,
                self.cloud,
            ],
            np.float64,
        )


SUN_X, SUN_Y, SUN_Z, SUN, AMBIENT, SEASON, VEHICLES, PEOPLE, MOVING, EXPOSURE, RED, GREEN, BLUE, HAZE, CLOUD = range(15)


def draw_capture(rng: np.random.Generator) -> Capture:
    """A capture at any daytime of any season, 30 % of them overcast."""
    azimuth = rng.uniform(0, 2 * math.pi)
    elevation = math.radians(rng.uniform(22, 65))
    overcast = rng.random() < 0.3
    tint = rng.normal(1, 0.05, 3)
    return Capture(
        sun=(math.sin(azimuth) * math.cos(elevation), math.cos(azimuth) * math.cos(elevation), math.sin(elevation)),
        sun_intensity=rng.uniform(0.05, 0.25) if overcast else rng.uniform(0.7, 1.1),
        ambient=rng.uniform(0.7, 0.95) if overcast else rng.uniform(0.3, 0.5),
        season=int(rng.integers(0, 4)),
        vehicle_share=rng.uniform(0.05, 0.65),
        person_share=rng.uniform(0.0, 0.06),
        moving_seed=int(rng.integers(1, 2**30)),
        exposure=rng.uniform(0.75, 1.3),
        white_balance=(float(tint[0]), float(tint[1]), float(tint[2])),
        haze_per_m=rng.uniform(0.001, 0.006),
        cloud=1.0 if overcast else rng.uniform(0, 0.6),
        gamma=rng.uniform(1.7, 2.2),
        saturation=rng.uniform(0.7, 1.2),
        noise=0.03 * rng.uniform(0.3, 1.0),
    )
