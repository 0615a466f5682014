"""What stands on a city block: one function an archetype, each filling one cell from its block coordinates.

Block coordinates: p, q metres from the block's inner corner along its two axes, w, h its inner size, edge the distance to its
nearest side. Every function returns (class, red, green, blue, slot, building, floor_height_m, gable_m): colours in [0, 1], slot the
hash of a vehicle slot or 0, building the hash of a building or 0.
"""

import math

from numba import njit

from .classes import GRASS, HEDGE, PARKING, PATH, SOIL, WATER
from .hashing import hash3, unit

LAWN = (0.26, 0.38, 0.17)


@njit(inline="always")
def parking_stall(p, q, pitch, block, offset):
    """Marked stalls 2.7 m wide in rows: (brightness, slot)."""
    a = math.floor(p / 2.7)
    f = p - a * 2.7
    b = math.floor(q / pitch)
    g = q - b * pitch
    shade = 0.35
    slot = 0
    if g < 0.15 or (f < 0.15 and g < 5.0):
        shade = 0.70
    if 0.4 < f < 2.3 and 0.4 < g < 4.8:
        slot = int(hash3(int(a) + 80 + int(b) * 512, block, offset)) | 1
    return shade, slot


@njit
def houses(p, q, w, h, edge, block, district):
    """Detached houses on lots: drives, hedges, sheds, pools; gabled or flat roofs."""
    cls, r, g, b = GRASS, LAWN[0], LAWN[1], LAWN[2]
    slot = 0
    building = 0
    floor = 0.0
    gable = 0.0
    lot_w = 13.0 + 9.0 * unit(district, 14, 0)
    i = int(math.floor(p / lot_w))
    j = 1 if q > h * 0.5 else 0
    lot = hash3(i + 50 + j * 1000, block, 51)
    pl = p - i * lot_w
    ql = q if j == 0 else h - q
    if unit(lot, 1, 0) < 0.87 and (i + 1) * lot_w < w + 3.0:
        bw = 6.5 + min(6.0, lot_w - 9.0) * unit(lot, 2, 0)
        bd = 7.5 + 5.0 * unit(lot, 3, 0)
        bx = pl - (1.2 + (lot_w - bw - 2.4) * unit(lot, 4, 0))
        by = ql - (2.0 + 4.5 * unit(district, 15, 0) + 1.8 * unit(lot, 5, 0))
        inside = 0.0 < bx < bw and 0.0 < by < bd
        if unit(lot, 6, 0) < 0.4 and not inside:
            inside = bw * 0.5 < bx < bw and bd <= by < bd + 3.5
        if inside:
            building = int(lot)
            floor = 3.2 + (3.0 if unit(lot, 7, 0) < unit(district, 16, 0) else 0.0)
            if unit(district, 17, 0) + 0.4 * (unit(lot, 16, 0) - 0.5) < 0.7:
                across = 2.0 * bx / bw if unit(lot, 8, 0) < 0.5 else 2.0 * by / bd
                gable = 2.6 * max(0.0, 1.0 - abs(across - 1.0))
        elif pl > lot_w - 3.0 and ql < 9.0 and unit(lot, 9, 0) < 0.6:
            shade = 0.5 + 0.15 * unit(lot, 10, 0)
            cls, r, g, b = PATH, shade, shade, shade * 0.95
            if lot_w - 2.6 < pl < lot_w - 0.7 and 2.0 < ql < 6.6:
                slot = int(hash3(lot, 3, 61)) | 1
        elif (pl < 0.5 or abs(q - h * 0.5) < 0.4) and unit(lot, 11, 0) < 0.5:
            cls, r, g, b = HEDGE, 0.17, 0.28, 0.12
            floor = 1.0 + 0.8 * unit(lot, 12, 0)
        elif unit(lot, 13, 0) < 0.12 and 0.0 < bx < 5.0 and bd + 3.0 < by < bd + 9.0:
            cls, r, g, b = WATER, 0.25, 0.60, 0.68
        elif unit(lot, 15, 0) < 0.25 and 5.5 < bx < 8.5 and bd + 4.0 < by < bd + 7.0:
            cls, r, g, b = SOIL, 0.36, 0.28, 0.20
    return cls, r, g, b, slot, building, floor, gable


@njit
def perimeter(p, q, w, h, edge, block, district, left, lower):
    """A closed block: houses wall to wall along the street, a yard or parking inside. left, lower: which side is nearest."""
    cls, r, g, b = GRASS, LAWN[0], LAWN[1], LAWN[2]
    slot = 0
    building = 0
    floor = 0.0
    gable = 0.0
    depth = 9.0 + 5.0 * unit(block, 2, 0)
    if 0.3 < edge < depth:
        segment = 9.0 + 9.0 * unit(district, 18, 0)
        along_q = min(p, w - p) < min(q, h - q)
        if along_q:
            house = hash3(int(math.floor(q / segment)) + 70, block, 53 if left else 52)
        else:
            house = hash3(int(math.floor(p / segment)) + 70, block, 55 if lower else 54)
        if unit(house, 1, 0) < 0.86 and edge > 1.5 * unit(house, 14, 0):
            building = int(house)
            floor = 3.1 * (2 + int(3.0 * unit(district, 19, 0) + 2.5 * unit(house, 2, 0)))
            if unit(district, 17, 0) < 0.4:
                gable = 2.5 * max(0.0, 1.0 - abs(2.0 * edge / depth - 1.0))
        else:
            cls, r, g, b = PATH, 0.50, 0.48, 0.45
    elif unit(block, 3, 0) < 0.45:
        shade, slot = parking_stall(p, q, 7.5, block, 62)
        cls, r, g, b = PARKING, shade, shade, shade
    return cls, r, g, b, slot, building, floor, gable


@njit
def commercial(p, q, w, h, edge, block, district):
    """A large flat building with roof units beside its parking."""
    cls, r, g, b = GRASS, LAWN[0], LAWN[1], LAWN[2]
    slot = 0
    building = 0
    floor = 0.0
    gable = 0.0
    share = 0.35 + 0.30 * unit(block, 4, 0)
    pp = p if unit(block, 5, 0) < 0.5 else w - p
    if pp < w * share and edge > 3.0:
        building = int(hash3(block, 6, int(pp / 28.0)))
        floor = 5.0 + 5.0 * unit(building, 2, 0)
        if unit(int(p / 5.0) + 10, int(q / 5.0) + 10, block) < 0.12 and p - 5.0 * int(p / 5.0) < 2.5 and q - 5.0 * int(q / 5.0) < 2.0:
            gable = 1.3
    elif edge > 1.5:
        shade, slot = parking_stall(p, q, 8.0, block, 62)
        cls, r, g, b = PARKING, shade, shade, shade
    return cls, r, g, b, slot, building, floor, gable


@njit
def park(p, q, w, h, edge, block, district):
    """Lawns, winding paths, a pond, a sports court."""
    cls, r, g, b = GRASS, LAWN[0], LAWN[1], LAWN[2]
    angle = unit(block, 7, 0) * 3.14
    lane = abs((p - w / 2) * math.cos(angle) + (q - h / 2) * math.sin(angle) + 3.0 * math.sin(p * 0.1))
    ring = abs(math.sqrt((p - w / 2) ** 2 + (q - h / 2) ** 2) - min(w, h) * (0.2 + 0.15 * unit(block, 8, 0)))
    pond = (p - w * unit(block, 10, 0)) ** 2 / 2 + (q - h * unit(block, 11, 0)) ** 2
    if lane < 1.2 or ring < 1.0:
        cls, r, g, b = PATH, 0.60, 0.54, 0.42
    elif unit(block, 9, 0) < 0.4 and pond < (4.0 + 10.0 * unit(block, 12, 0)) ** 2:
        cls, r, g, b = WATER, 0.14, 0.22, 0.24
    elif unit(block, 13, 0) < 0.3 and abs(p - w * 0.3) < 9.0 and abs(q - h * 0.3) < 14.0:
        cls, r, g, b = PATH, 0.55, 0.30, 0.22
        if abs(abs(p - w * 0.3) - 8.0) < 0.15 or abs(abs(q - h * 0.3) - 13.0) < 0.15 or abs(q - h * 0.3) < 0.15:
            r, g, b = 0.85, 0.85, 0.85
    return cls, r, g, b, 0, 0, 0.0, 0.0


@njit
def towers(p, q, w, h, edge, block, district):
    """Free-standing towers on lawn or paving."""
    cls, r, g, b = GRASS, LAWN[0], LAWN[1], LAWN[2]
    building = 0
    floor = 0.0
    gable = 0.0
    pitch = 26.0 + 10.0 * unit(district, 20, 0)
    i = int(math.floor(p / pitch))
    j = int(math.floor(q / pitch))
    tower = hash3(i + 90, j + 90, block)
    pl = p - i * pitch - 3.0
    ql = q - j * pitch - 3.0
    bw = 12.0 + 10.0 * unit(tower, 1, 0)
    bd = 12.0 + 10.0 * unit(tower, 2, 0)
    if unit(tower, 3, 0) < 0.75 and 0.0 < pl < bw and 0.0 < ql < bd and edge > 1.0:
        building = int(tower)
        floor = 3.2 * (5 + int(7.0 * unit(tower, 4, 0)))
        if bw * 0.35 < pl < bw * 0.65 and bd * 0.3 < ql < bd * 0.6:
            gable = 2.8
    elif unit(block, 14, 0) < 0.5:
        cls, r, g, b = PATH, 0.55, 0.54, 0.52
    return cls, r, g, b, 0, building, floor, gable
