"""A city as arrays on a 0.4 m grid: height, class, colour, identity. Each cell is computed alone from integer hashes.

Districts are warped Voronoi cells; each has its own rotated irregular street grid, its palettes for roofs and for facades (drawn apart),
and its mix of block archetypes (blocks.py). Streets meet at district borders in a ring road, so that the network is connected.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from .blocks import commercial, houses, park, perimeter, towers
from .classes import BUILDING, CELL_M, GRASS, PATH, PAVEMENT, POLE, ROAD, TREE
from .hashing import hash3, unit

DISTRICT_M = 330.0
RING_ROAD_M = 7.0


@dataclass(frozen=True)
class City:
    """The arrays, row 0 in the south, column 0 in the west.

    height: [N, N] float32, metres above ground (vehicles and people come with a capture and are not in it).
    cls: [N, N] uint8. colour: [N, N, 3] uint8, albedo. identity: [N, N] uint32: for a building its hash (high 23 bits), facade palette
    (3 bits) and street-grid angle (6 bits); for a vehicle slot its hash; for a tree its hash with the lowest bit set at the trunk.
    ceiling: [N/8, N/8] float32, no obstacle of the 3.2 m around a point of that coarse cell is higher.
    """

    size_m: float
    height: np.ndarray
    cls: np.ndarray
    colour: np.ndarray
    identity: np.ndarray
    ceiling: np.ndarray


@njit(inline="always")
def _line(i, pitch, seed):
    return (i + 0.72 * (unit(i + 1000, seed, 77) - 0.5)) * pitch


@njit(inline="always")
def _roof_colour(palette, style):
    if style == 1:
        palette += 6
    if palette == 0:
        return 0.45, 0.24, 0.18
    if palette == 1:
        return 0.33, 0.33, 0.35
    if palette == 2:
        return 0.62, 0.61, 0.58
    if palette == 3:
        return 0.36, 0.29, 0.24
    if palette == 4:
        return 0.50, 0.44, 0.38
    if palette == 5:
        return 0.28, 0.31, 0.30
    if palette == 6:
        return 0.58, 0.36, 0.25
    if palette == 7:
        return 0.75, 0.73, 0.68
    if palette == 8:
        return 0.24, 0.26, 0.32
    if palette == 9:
        return 0.40, 0.46, 0.42
    if palette == 10:
        return 0.55, 0.30, 0.28
    return 0.44, 0.41, 0.33


@njit(inline="always")
def _archetype(mix, t, style):
    """0 houses, 1 perimeter, 2 commercial, 3 park, 4 towers; the mix of a district, another family of mixes in style b."""
    if style == 1:
        if mix < 0.3:
            return 1 if t < 0.45 else (4 if t < 0.80 else (3 if t < 0.92 else 0))
        if mix < 0.6:
            return 0 if t < 0.50 else (4 if t < 0.70 else (2 if t < 0.85 else 3))
        return 2 if t < 0.35 else (1 if t < 0.70 else (3 if t < 0.82 else 0))
    if mix < 0.4:
        return 0 if t < 0.72 else (1 if t < 0.80 else (2 if t < 0.88 else 3))
    if mix < 0.7:
        return 1 if t < 0.62 else (0 if t < 0.70 else (2 if t < 0.82 else (3 if t < 0.92 else 4)))
    if mix < 0.85:
        return 2 if t < 0.50 else (4 if t < 0.75 else (1 if t < 0.88 else 3))
    return 4 if t < 0.55 else (3 if t < 0.70 else (1 if t < 0.90 else 2))


@njit(parallel=True, cache=True)
def _fill(seed, style, height, cls_out, colour, identity):
    n = height.shape[0]
    p1 = unit(seed, 1, 1) * 6.28
    p2 = unit(seed, 2, 1) * 6.28
    p3 = unit(seed, 3, 1) * 6.28
    p4 = unit(seed, 4, 1) * 6.28
    widen = 1.25 if style == 1 else 1.0
    for iy in prange(n):
        for ix in range(n):
            x0 = ix * CELL_M
            y0 = iy * CELL_M
            x = x0 + 9 * math.sin(x0 * 0.007 + y0 * 0.011 + p1) + 4 * math.sin(y0 * 0.023 + p2)
            y = y0 + 9 * math.sin(y0 * 0.008 - x0 * 0.010 + p3) + 4 * math.sin(x0 * 0.021 + p4)
            gx = int(math.floor(x / DISTRICT_M))
            gy = int(math.floor(y / DISTRICT_M))
            d1 = 1e9
            d2 = 1e9
            district = np.uint32(0)
            for a in range(-1, 2):
                for b in range(-1, 2):
                    hh = hash3(gx + a + 500, gy + b + 500, seed)
                    cx = (gx + a + 0.15 + 0.7 * unit(hh, 1, 0)) * DISTRICT_M
                    cy = (gy + b + 0.15 + 0.7 * unit(hh, 2, 0)) * DISTRICT_M
                    d = math.sqrt((x - cx) ** 2 + (y - cy) ** 2)
                    if d < d1:
                        d2 = d1
                        d1 = d
                        district = hh
                    elif d < d2:
                        d2 = d
            theta = unit(district, 3, 0) * 1.5708
            ct = math.cos(theta)
            st = math.sin(theta)
            u = x * ct + y * st
            v = -x * st + y * ct
            pitch_u = 58 + 60 * unit(district, 4, 0)
            pitch_v = 48 + 45 * unit(district, 5, 0)
            iu = int(math.floor(u / pitch_u)) + 1
            while _line(iu, pitch_u, district) > u:
                iu -= 1
            l0 = _line(iu, pitch_u, district)
            l1 = _line(iu + 1, pitch_u, district)
            shift = unit(iu + 900, district, 9) * pitch_v * (1.0 if unit(district, 6, 0) < 0.6 else 0.0)
            v2 = v + shift
            column = np.uint32(district + np.uint32(iu + 5000))
            iv = int(math.floor(v2 / pitch_v)) + 1
            while _line(iv, pitch_v, column) > v2:
                iv -= 1
            m0 = _line(iv, pitch_v, column)
            m1 = _line(iv + 1, pitch_v, column)
            half_a = widen * (2.8 + 2.4 * unit(iu + 300, district, 21))
            half_b = widen * (2.8 + 2.4 * unit(iu + 301, district, 21))
            half_v = widen * (2.6 + 1.8 * unit(district, 22, 0))
            q0 = u - l0 - half_a
            q1 = l1 - u - half_b
            q2 = v2 - m0 - half_v
            q3 = m1 - v2 - half_v
            dm = (d2 - d1) * 0.5 - RING_ROAD_M
            e = min(min(min(q0, q1), min(q2, q3)), dm)
            block = hash3(column, iv + 700, 31)
            tone = (0.85 + 0.4 * unit(district, 8, 0)) * 0.30
            cls = ROAD
            r = tone
            g = tone
            b_ = tone * 1.03
            slot = 0
            building = 0
            floor = 0.0
            gable = 0.0
            walk = 1.2 + 2.2 * unit(district, 7, 0)
            if e <= 0:
                if dm <= 0:
                    c = dm + RING_ROAD_M
                    if c < 0.25 and (int(math.floor((x + y) / 3.0)) & 1) == 0:
                        r, g, b_ = 0.75, 0.75, 0.75
                    if abs(c - 3.6) < 0.2 and (int(math.floor((x - y) / 2.5)) & 1) == 0:
                        r, g, b_ = 0.70, 0.70, 0.70
                    s = math.floor((x + y) / 14.0)
                    f = (x + y) - s * 14.0
                    if 1.2 < c < 3.0 and 2.0 < f < 6.2:
                        slot = int(hash3(int(s) + 9000, district, 43)) | 1
                else:
                    if (-q2 > -q0 and -q2 > -q1) or (-q3 > -q0 and -q3 > -q1):
                        along = u
                        lateral = max(-q2, -q3)
                    else:
                        along = v
                        lateral = max(-q0, -q1)
                    s = math.floor(along / 6.2)
                    f = along - s * 6.2
                    if 0.25 < lateral < 2.05 and 0.8 < f < 5.2:
                        slot = int(hash3(int(s) + 9000, block, 41)) | 1
                    if unit(district, 11, 0) < 0.6 and abs(min(abs(u - l0), abs(l1 - u))) < 0.15 and int(math.floor(along / 2.0)) % 3 == 0:
                        r, g, b_ = 0.70, 0.70, 0.70
                    if 0.5 < min(q2, q3) < 3.5 and unit(block, 12, 0) < 0.5 and min(q0, q1) < 0 and (int(math.floor(u / 0.7)) & 1) == 0:
                        r, g, b_ = 0.80, 0.80, 0.80
            elif e < walk:
                grey = 0.52 + 0.12 * unit(district, 9, 0)
                cls = PAVEMENT
                r, g, b_ = grey, grey * 0.98, grey * (0.9 + 0.08 * unit(district, 10, 0))
            else:
                w = l1 - l0 - half_a - half_b - 2 * walk
                h = m1 - m0 - 2 * half_v - 2 * walk
                p = q0 - walk
                q = q2 - walk
                edge = e - walk
                kind = _archetype(unit(district, 13, 0), unit(block, 1, 1), style)
                if kind == 0:
                    cls, r, g, b_, slot, building, floor, gable = houses(p, q, w, h, edge, block, district)
                elif kind == 1:
                    cls, r, g, b_, slot, building, floor, gable = perimeter(p, q, w, h, edge, block, district, q0 < q1, q2 < q3)
                elif kind == 2:
                    cls, r, g, b_, slot, building, floor, gable = commercial(p, q, w, h, edge, block, district)
                elif kind == 3:
                    cls, r, g, b_, slot, building, floor, gable = park(p, q, w, h, edge, block, district)
                else:
                    cls, r, g, b_, slot, building, floor, gable = towers(p, q, w, h, edge, block, district)
            code = np.uint32(slot)
            if building != 0:
                bid = np.uint32(building)
                cls = BUILDING
                palette = int(6 * unit(district, 23, 0))
                if unit(bid, 9, 0) < 0.15:
                    palette = int(6 * unit(bid, 10, 0))
                r, g, b_ = _roof_colour(palette, style)
                tint = 0.75 + 0.5 * unit(bid, 11, 0)
                r *= tint
                g *= tint
                b_ *= tint
                facade = int(8 * unit(district, 24, 0)) if unit(bid, 12, 0) < 0.75 else int(8 * unit(bid, 13, 0))
                code = (bid & np.uint32(0xFFFFFE00)) | np.uint32(facade << 6) | np.uint32(int(theta / 1.5708 * 63.99))
            height[iy, ix] = floor + gable
            cls_out[iy, ix] = cls
            identity[iy, ix] = code
            colour[iy, ix, 0] = min(255, int(r * 255))
            colour[iy, ix, 1] = min(255, int(g * 255))
            colour[iy, ix, 2] = min(255, int(b_ * 255))


@njit(cache=True)
def _plant(seed, height, cls, colour, identity):
    """Trees with rounded, ragged crowns, and lamp posts on pavements."""
    n = height.shape[0]
    pitch = 6.0
    count = int(n * CELL_M / pitch)
    for gy in range(count):
        for gx in range(count):
            tree = hash3(gx, gy, seed + 777)
            x = (gx + unit(tree, 1, 0)) * pitch
            y = (gy + unit(tree, 2, 0)) * pitch
            ix = int(x / CELL_M)
            iy = int(y / CELL_M)
            if ix < 14 or iy < 14 or ix >= n - 14 or iy >= n - 14:
                continue
            c = cls[iy, ix]
            lushness = unit(int(x / 140) + 5, int(y / 140) + 5, seed + 5)
            chance = 0.0
            if c == GRASS:
                chance = 0.12 + 0.45 * lushness
            elif c == PAVEMENT:
                chance = 0.06 + 0.3 * lushness
            elif c == PATH:
                chance = 0.03
            if unit(tree, 3, 0) > chance:
                if c == PAVEMENT and unit(tree, 8, 0) < 0.10:
                    height[iy, ix] = 5.5 + 2.0 * unit(tree, 9, 0)
                    cls[iy, ix] = POLE
                    colour[iy, ix, 0] = 70
                    colour[iy, ix, 1] = 72
                    colour[iy, ix, 2] = 74
                    identity[iy, ix] = 0
                continue
            radius = 1.3 + 2.9 * unit(tree, 4, 0) * (0.5 + 0.5 * unit(tree, 6, 0))
            top = 3.5 + radius * 2.0 + 2 * unit(tree, 5, 0)
            k = int(radius * 1.2 / CELL_M) + 1
            tint = 0.8 + 0.4 * unit(tree, 7, 0)
            lobe = unit(tree, 10, 0) * 6.28
            for dy in range(-k, k + 1):
                for dx in range(-k, k + 1):
                    angle = math.atan2(dy * 1.0, dx * 1.0)
                    outline = 1.0 + 0.13 * math.sin(3 * angle + lobe) + 0.08 * math.sin(5 * angle + 2 * lobe)
                    ragged = 0.93 + 0.14 * unit(ix + dx, iy + dy, tree)
                    d = math.sqrt(dx * dx + dy * dy) * CELL_M / (radius * outline) * ragged
                    if d >= 1:
                        continue
                    jx = ix + dx
                    jy = iy + dy
                    if cls[jy, jx] == BUILDING:
                        continue
                    crown = top * (0.55 + 0.45 * math.sqrt(1 - d * d))
                    if crown > height[jy, jx]:
                        height[jy, jx] = crown
                        cls[jy, jx] = TREE
                        trunk = 1 if dx * dx + dy * dy <= 1 else 0
                        identity[jy, jx] = (tree & np.uint32(0xFFFFFFFE)) | np.uint32(trunk)
                        colour[jy, jx, 0] = int(48 * tint)
                        colour[jy, jx, 1] = int(80 * tint)
                        colour[jy, jx, 2] = int(36 * tint)


def _ceiling(height: np.ndarray) -> np.ndarray:
    """Highest obstacle of each 8 x 8 cells and their neighbours: a ray above it may step 3.2 m. Never below a vehicle or person."""
    n = height.shape[0] // 8
    coarse = height[: n * 8, : n * 8].reshape(n, 8, n, 8).max(axis=(1, 3))
    padded = np.pad(coarse, 1, mode="edge")
    around = [padded[dy : dy + n, dx : dx + n] for dy in range(3) for dx in range(3)]
    return np.maximum(np.max(around, axis=0), 1.8).astype(np.float32)


def build_city(seed: int, size_m: float, style: str) -> City:
    """Compute a city of size_m x size_m metres; the same seed gives the same arrays whatever the number of threads."""
    n = int(math.ceil(size_m / CELL_M / 8)) * 8
    height = np.zeros((n, n), np.float32)
    cls = np.zeros((n, n), np.uint8)
    colour = np.zeros((n, n, 3), np.uint8)
    identity = np.zeros((n, n), np.uint32)
    _fill(seed, 1 if style == "b" else 0, height, cls, colour, identity)
    _plant(seed, height, cls, colour, identity)
    return City(n * CELL_M, height, cls, colour, identity, _ceiling(height))
