"""Integer hashing: the world's only source of randomness inside kernels, so that every cell can be computed alone."""

import hashlib

import numpy as np
from numba import njit


@njit(inline="always")
def hash3(a, b, c):
    """Mix three integers into 32 well-distributed bits (multiply-xorshift finaliser)."""
    x = np.uint32(a) * np.uint32(0x9E3779B1) ^ np.uint32(b) * np.uint32(0x85EBCA6B) ^ np.uint32(c) * np.uint32(0xC2B2AE35)
    x = np.uint32(x)
    x ^= x >> np.uint32(16)
    x = np.uint32(x * np.uint32(0x7FEB352D))
    x ^= x >> np.uint32(15)
    x = np.uint32(x * np.uint32(0x846CA68B))
    x ^= x >> np.uint32(16)
    return np.uint32(x)


@njit(inline="always")
def unit(a, b, c):
    """A number in [0, 1) from three integers."""
    return float(hash3(a, b, c)) / 4294967296.0


def derive_seed(*parts: object) -> int:
    """A 30-bit seed from a path of names and numbers, stable across machines and Python versions."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:4], "little") >> 2
