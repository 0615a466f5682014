"""The view from the street: rays marched over the height map, with procedural facades, sky, vehicles and people; exact range for free."""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from .capture import (
    AMBIENT,
    BLUE,
    CLOUD,
    EXPOSURE,
    GREEN,
    HAZE,
    MOVING,
    PEOPLE,
    RED,
    SEASON,
    SUN,
    SUN_X,
    SUN_Y,
    SUN_Z,
    VEHICLES,
)
from .city import City
from .classes import BUILDING, CANOPY_BASE_M, CELL_M, PAVEMENT, PERSON, PERSON_HEIGHT_M, POLE, SKY, TREE, VEHICLE, VEHICLE_HEIGHT_M
from .hashing import unit
from .shading import SKYLINE_M, person_at, season_tint, sunlit, vehicle_colour, vehicle_present

MAX_RANGE_M = 120.0


@dataclass(frozen=True)
class Pose:
    """Where a camera stands (metres, city frame) and looks (degrees; pitch up positive, roll clockwise positive)."""

    x_m: float
    y_m: float
    z_m: float
    heading_deg: float
    pitch_deg: float
    roll_deg: float

    def rotation(self) -> np.ndarray:
        """Camera (right, forward, up) to world (east, north, up), float64 [3, 3]: roll, then pitch, then heading."""
        heading, pitch, roll = (math.radians(a) for a in (self.heading_deg, self.pitch_deg, self.roll_deg))
        cr, sr, cp, sp, ch, sh = math.cos(roll), math.sin(roll), math.cos(pitch), math.sin(pitch), math.cos(heading), math.sin(heading)
        turn_roll = np.array([[cr, 0, sr], [0, 1, 0], [-sr, 0, cr]])
        turn_pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        turn_heading = np.array([[ch, sh, 0], [-sh, ch, 0], [0, 0, 1]])
        return turn_heading @ turn_pitch @ turn_roll


@njit(inline="always")
def _facade(palette):
    if palette == 0:
        return 0.72, 0.66, 0.55
    if palette == 1:
        return 0.55, 0.30, 0.23
    if palette == 2:
        return 0.78, 0.77, 0.74
    if palette == 3:
        return 0.48, 0.47, 0.46
    if palette == 4:
        return 0.75, 0.60, 0.38
    if palette == 5:
        return 0.45, 0.50, 0.56
    if palette == 6:
        return 0.62, 0.45, 0.38
    return 0.40, 0.33, 0.28


@njit(inline="always")
def _sky(dx, dy, dz, capture):
    k = max(0.0, min(1.0, math.asin(max(-1.0, min(1.0, dz)))))
    if capture[CLOUD] >= 1:
        return 0.82 - 0.12 * k, 0.83 - 0.10 * k, 0.85 - 0.08 * k
    azimuth = math.atan2(dx, dy)
    seed = capture[MOVING] * 1e-5
    wave = math.sin(azimuth * 3 + seed) * math.sin(k * 9 + azimuth * 2 + seed * 0.7) + 0.5 * math.sin(azimuth * 11 + k * 17 + seed)
    if wave > 1.0 - capture[CLOUD]:
        return 0.90, 0.90, 0.92
    return 0.75 - 0.42 * k, 0.83 - 0.28 * k, 0.92 - 0.10 * k


@njit(cache=True, nogil=True)
def _trace(height, cls, colour, identity, ceiling, cx, cy, cz, dx, dy, dz, capture, jitter):
    """One ray: (red, green, blue) linear, range in metres (MAX_RANGE_M where it sees the sky), class."""
    n = height.shape[0]
    share = capture[VEHICLES]
    people = capture[PEOPLE]
    moving = int(capture[MOVING])
    season = int(capture[SEASON])
    sx, sy, sz = capture[SUN_X], capture[SUN_Y], capture[SUN_Z]
    t = 0.3 + 0.3 * jitter
    before = 0.0
    hit = 0  # 1 ground, 2 height map, 3 vehicle, 4 person
    px = cx
    py = cy
    pz = cz
    ix = 0
    iy = 0
    to_ground = -cz / dz if dz < -1e-6 else 1e9
    while t < MAX_RANGE_M:
        if t >= to_ground:
            t = to_ground
            px = cx + dx * t
            py = cy + dy * t
            pz = 0.0
            ix = int(px / CELL_M)
            iy = int(py / CELL_M)
            hit = 1
            break
        pz = cz + dz * t
        if pz > SKYLINE_M and dz > 0:
            break
        px = cx + dx * t
        py = cy + dy * t
        ix = int(px / CELL_M)
        iy = int(py / CELL_M)
        if px < 1.0 or py < 1.0 or ix >= n - 3 or iy >= n - 3:
            break
        if pz > ceiling[iy >> 3, ix >> 3]:
            before = t
            t += 3.0
            continue
        h = height[iy, ix]
        c = cls[iy, ix]
        if h > pz:
            if c != TREE or pz > CANOPY_BASE_M or (identity[iy, ix] & np.uint32(1)) == 1:
                hit = 2
                break
        elif h == 0.0:
            code = identity[iy, ix]
            if pz < VEHICLE_HEIGHT_M and code != 0 and t > 1.0 and vehicle_present(code, share, moving):
                hit = 3
                break
            if c == PAVEMENT and pz < PERSON_HEIGHT_M and t > 1.5 and person_at(px, py, people, moving) < 0.28:
                hit = 4
                break
        before = t
        t += 0.22 + 0.012 * t
    if hit == 0 or ix < 3 or iy < 3 or ix >= n - 3 or iy >= n - 3:
        r, g, b = _sky(dx, dy, dz, capture)
        return r * 0.95, g * 0.95, b * 0.95, MAX_RANGE_M, SKY
    c = cls[iy, ix]
    code = identity[iy, ix]
    grain = unit(ix, iy, 3)
    r = colour[iy, ix, 0] / 255.0
    g = colour[iy, ix, 1] / 255.0
    b = colour[iy, ix, 2] / 255.0
    light = sz
    nx = 0.0
    ny = 0.0
    seen = c
    if hit == 1:
        if c == TREE:
            r, g, b = 0.22, 0.27, 0.15
        else:
            r, g, b = season_tint(c, code, season, grain, r, g, b)
    elif hit == 3:
        seen = VEHICLE
        r, g, b = vehicle_colour(code, moving)
        if 0.85 < pz < 1.3:
            r, g, b = 0.12, 0.13, 0.15
        if pz < 0.35:
            r, g, b = 0.05, 0.05, 0.05
        light = 0.5
    elif hit == 4:
        seen = PERSON
        k = unit(int(px / 2.5), int(py / 2.5), moving + 23)
        if pz > 1.5:
            r, g, b = 0.55, 0.40, 0.32
        elif pz > 0.85:
            r, g, b = 0.15 + 0.7 * k, 0.2 + 0.4 * unit(int(px / 2.5), int(py / 2.5), moving + 29), 0.7 - 0.5 * k
        else:
            r, g, b = 0.12, 0.13, 0.18
        light = 0.5
    elif c == TREE:
        if pz <= CANOPY_BASE_M:
            r, g, b = 0.25, 0.19, 0.14
        else:
            r, g, b = season_tint(c, code, season, unit(ix, iy, int(pz / CELL_M)), r, g, b)
            f = 0.65 + 0.5 * unit(ix, iy, int(pz * 3))
            r *= f
            g *= f
            b *= f
        gx = height[iy, ix + 2] - height[iy, ix - 2]
        gy = height[iy + 2, ix] - height[iy - 2, ix]
        light = 0.2 + 0.8 * max(0.0, (-gx * sx - gy * sy + 2 * sz) / math.sqrt(gx * gx + gy * gy + 4))
    elif c == BUILDING:
        low = before
        high = t
        for _ in range(4):
            middle = 0.5 * (low + high)
            jx = int((cx + dx * middle) / CELL_M)
            jy = int((cy + dy * middle) / CELL_M)
            if height[jy, jx] > cz + dz * middle:
                high = middle
            else:
                low = middle
        t = high
        px = cx + dx * t
        py = cy + dy * t
        pz = cz + dz * t
        gx = 0.0
        gy = 0.0
        for o in range(1, 4):
            gx += min(height[iy, ix + o], 30.0) - min(height[iy, ix - o], 30.0)
            gy += min(height[iy + o, ix], 30.0) - min(height[iy - o, ix], 30.0)
        theta = float(code & np.uint32(63)) / 63.99 * 1.5708
        outward = math.atan2(-gy, -gx) - theta
        outward = theta + math.floor(outward / 1.5708 + 0.5) * 1.5708
        nx = math.cos(outward)
        ny = math.sin(outward)
        jx = int((cx + dx * (t - 0.3)) / CELL_M)
        jy = int((cy + dy * (t - 0.3)) / CELL_M)
        if height[jy, jx] > pz - 0.9 and cls[jy, jx] == BUILDING and identity[jy, jx] == code:
            light = max(0.0, sz * 0.8 + 0.4 * (nx * sx + ny * sy))
            r, g, b = season_tint(c, code, season, grain, r, g, b)
        else:
            bid = code >> np.uint32(9)
            r, g, b = _facade(int((code >> np.uint32(6)) & np.uint32(7)))
            tint = 0.8 + 0.4 * unit(bid, 3, 1)
            r *= tint
            g *= tint
            b *= tint * (0.92 + 0.16 * unit(bid, 4, 1))
            along = px * (-ny) + py * nx
            bay = 2.2 + 1.8 * unit(bid, 5, 1)
            storey = 2.9 + 0.5 * unit(bid, 7, 1)
            f = along / bay - math.floor(along / bay)
            zf = pz / storey - math.floor(pz / storey)
            level = int(pz / storey)
            if abs(f - 0.5) < (0.35 + 0.3 * unit(bid, 6, 1)) * 0.5 and 0.3 < zf < 0.8:
                k = unit(int(math.floor(along / bay)) + 999, level, bid)
                r, g, b = 0.14 + 0.2 * k, 0.17 + 0.22 * k, 0.22 + 0.25 * k
            elif level == 0 and unit(bid, 8, 1) < 0.35:
                r, g, b = r * 0.6, g * 0.6, b * 0.62
            elif zf < 0.06 and unit(bid, 9, 1) < 0.5:
                r, g, b = r * 0.8, g * 0.8, b * 0.8
            light = max(0.0, nx * sx + ny * sy)
    elif c == POLE:
        light = 0.5
    else:
        r, g, b = season_tint(c, code, season, grain, r, g, b)
    lit = 0.0
    if capture[SUN] > 0.05 and light > 0:
        lit = sunlit(height, cls, ceiling, px + nx * 0.7 - dx * 0.3, py + ny * 0.7 - dy * 0.3, pz + 0.05, sx, sy, sz, jitter)
    power = capture[AMBIENT] + capture[SUN] * light * lit * 1.15
    fog = 1 - math.exp(-capture[HAZE] * t)
    return (
        r * power * (1 - fog) + 0.75 * fog,
        g * power * (1 - fog) + 0.78 * fog,
        b * power * (1 - fog) + 0.82 * fog,
        t,
        seen,
    )


@njit(cache=True, nogil=True)
def _render(
    height, cls, colour, identity, ceiling, position, rotation, equirectangular, top, bottom, focal_px, capture, samples, seed, out, ranges, classes
):
    rows = out.shape[0]
    cols = out.shape[1]
    for j in range(rows):
        for i in range(cols):
            red = 0.0
            green = 0.0
            blue = 0.0
            for s in range(samples):
                a = unit(i, j * 8 + s, seed)
                b = (s + unit(j, i * 8 + s, seed + 1)) / samples
                if s == 0:
                    # the first sample goes through the pixel's centre: range and class are exact there
                    a = 0.5
                    b = 0.5
                if equirectangular:
                    azimuth = ((i + a) / cols - 0.5) * 2 * math.pi
                    elevation = top + (bottom - top) * (j + b) / rows
                    ce = math.cos(elevation)
                    u = math.sin(azimuth) * ce
                    v = math.cos(azimuth) * ce
                    w = math.sin(elevation)
                else:
                    u = (i + a - cols * 0.5) / focal_px
                    w = -(j + b - rows * 0.5) / focal_px
                    norm = 1.0 / math.sqrt(u * u + w * w + 1.0)
                    u = u * norm
                    w = w * norm
                    v = norm
                dx = rotation[0, 0] * u + rotation[0, 1] * v + rotation[0, 2] * w
                dy = rotation[1, 0] * u + rotation[1, 1] * v + rotation[1, 2] * w
                dz = rotation[2, 0] * u + rotation[2, 1] * v + rotation[2, 2] * w
                r, g, bl, t, seen = _trace(
                    height, cls, colour, identity, ceiling, position[0], position[1], position[2], dx, dy, dz, capture, unit(i, j * 8 + s, seed + 2)
                )
                red += r
                green += g
                blue += bl
                if s == 0:
                    ranges[j, i] = t
                    classes[j, i] = seen
            out[j, i, 0] = red / samples * capture[EXPOSURE] * capture[RED]
            out[j, i, 1] = green / samples * capture[EXPOSURE] * capture[GREEN]
            out[j, i, 2] = blue / samples * capture[EXPOSURE] * capture[BLUE]


def _view(
    city: City,
    pose: Pose,
    rows: int,
    cols: int,
    equirectangular: bool,
    top: float,
    bottom: float,
    focal_px: float,
    capture: np.ndarray,
    samples: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    out = np.zeros((rows, cols, 3), np.float32)
    ranges = np.zeros((rows, cols), np.float32)
    classes = np.zeros((rows, cols), np.uint8)
    position = np.array([pose.x_m, pose.y_m, pose.z_m])
    rotation = pose.rotation()
    _render(
        city.height,
        city.cls,
        city.colour,
        city.identity,
        city.ceiling,
        position,
        rotation,
        equirectangular,
        top,
        bottom,
        focal_px,
        capture,
        samples,
        seed,
        out,
        ranges,
        classes,
    )
    return out, ranges, classes


def render_panorama(
    city: City, pose: Pose, rows: int, cols: int, top_deg: float, bottom_deg: float, capture: np.ndarray, samples: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equirectangular view, azimuth -180..180 about the pose's heading: radiance [rows, cols, 3], range in metres, class."""
    return _view(city, pose, rows, cols, True, math.radians(top_deg), math.radians(bottom_deg), 1.0, capture, samples, seed)


def render_photo(
    city: City, pose: Pose, rows: int, cols: int, hfov_deg: float, capture: np.ndarray, samples: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Perspective view with square pixels and that horizontal field of view: radiance, range along the ray in metres, class."""
    focal_px = cols / 2 / math.tan(math.radians(hfov_deg) / 2)
    return _view(city, pose, rows, cols, False, 0.0, 0.0, focal_px, capture, samples, seed)
