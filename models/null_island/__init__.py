"""Null Island: a deterministic procedural world with exact ground truth, written as view sets.

Frames. A city has a local frame in metres: x east, y north, z up, origin at its south-west corner. Headings are compass degrees,
clockwise from north. Images: satellite tiles are north up; panoramas have north at the centre column and azimuth growing to the right.
"""

__version__ = "1.0.0"
