"""Places ground images on the model's canvas, as `src/core/image/panorama.ts` does; both run the same golden sample.

Pixel centre (i, j) of the canvas looks at azimuth ((i + 0.5) / W - 0.5) * 360 about the canvas heading, clockwise to the right, and at
elevation top - (j + 0.5) * (top - bottom) / H. The mask is 1 where the image has data.
"""

import math

import numpy as np
from PIL import Image

from ..config import GeometryConfig


def _reduce(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Triangle filter as wide as the reduction."""
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def _sample(source: np.ndarray, x: np.ndarray, y: np.ndarray, wraps: bool) -> tuple[np.ndarray, np.ndarray]:
    """Bilinear at pixel-centre coordinates; edges replicate or wrap. -> uint8 [H, W, 3], mask uint8 [H, W]."""
    height, width = source.shape[:2]
    mask = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    x, y = x[mask], y[mask]
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - left)[:, None], (y - top)[:, None]
    x0, x1 = ((left + width) % width, (left + 1) % width) if wraps else (np.maximum(left, 0), np.minimum(left + 1, width - 1))
    row0, row1 = np.maximum(top, 0) * width, np.minimum(top + 1, height - 1) * width
    pixels = source.reshape(-1, 3)
    upper = pixels[row0 + x0] * (1 - fx) + pixels[row0 + x1] * fx
    lower = pixels[row1 + x0] * (1 - fx) + pixels[row1 + x1] * fx
    canvas = np.zeros((*mask.shape, 3), np.uint8)
    canvas[mask] = np.floor(upper * (1 - fy) + lower * fy + 0.5)
    return canvas, mask.astype(np.uint8)


def _angles(geometry: GeometryConfig) -> tuple[np.ndarray, np.ndarray]:
    """Azimuths [W] about the canvas heading and elevations [H], in degrees."""
    W, H = geometry.canvas_width_px, geometry.canvas_height_px
    azimuth = ((np.arange(W) + 0.5) / W - 0.5) * 360
    span = geometry.elevation_top_deg - geometry.elevation_bottom_deg
    return azimuth, geometry.elevation_top_deg - (np.arange(H) + 0.5) * span / H


def _wrap(angle_deg: np.ndarray) -> np.ndarray:
    """Into [-180, 180)."""
    return (angle_deg + 180) % 360 - 180


def place_photo(image: np.ndarray, fov_deg: float, heading_deg: float, geometry: GeometryConfig) -> tuple[np.ndarray, np.ndarray]:
    """A level perspective photo; heading is its middle's azimuth about the canvas heading."""
    height, width = image.shape[:2]
    degrees_per_px = 360 / geometry.canvas_width_px
    focal = width / 2 / math.tan(math.radians(fov_deg / 2))
    scale = min(1.0, 1 / math.radians(degrees_per_px) / focal)
    # half away from zero, as JavaScript's Math.round does for positive numbers
    source = _reduce(image, max(1, math.floor(width * scale + 0.5)), max(1, math.floor(height * scale + 0.5)))
    rows, columns = source.shape[:2]
    azimuth, elevation = _angles(geometry)
    angle = np.radians(_wrap(azimuth - heading_deg))
    cosine = np.cos(angle)
    ahead = cosine > 1e-6
    safe = np.where(ahead, cosine, 1.0)
    x = np.where(ahead, columns / 2 + focal * columns / width * np.tan(np.where(ahead, angle, 0.0)) - 0.5, -1e9)
    y = rows / 2 - focal * rows / height * np.tan(np.radians(elevation))[:, None] / safe[None, :] - 0.5
    return _sample(source, np.broadcast_to(x[None, :], y.shape), y, wraps=False)


def place_panorama(image: np.ndarray, fov_deg: float, heading_deg: float, geometry: GeometryConfig) -> tuple[np.ndarray, np.ndarray]:
    """An equirectangular image with square pixels, centred on the horizon; heading is its middle's azimuth about the canvas heading."""
    height, width = image.shape[:2]
    height_deg = min(180.0, fov_deg * height / width)
    top, bottom = height_deg / 2, -height_deg / 2
    degrees_per_px = 360 / geometry.canvas_width_px
    source = _reduce(
        image,
        min(width, max(1, math.floor(fov_deg / degrees_per_px + 0.5))),
        min(height, max(1, math.floor(height_deg / degrees_per_px + 0.5))),
    )
    rows, columns = source.shape[:2]
    azimuth, elevation = _angles(geometry)
    x = (_wrap(azimuth - heading_deg) / fov_deg + 0.5) * columns - 0.5
    y = (top - elevation) / (top - bottom) * rows - 0.5
    shape = (len(elevation), len(azimuth))
    return _sample(source, np.broadcast_to(x[None, :], shape), np.broadcast_to(y[:, None], shape), wraps=fov_deg >= 360 - 1e-9)


def limit_field_of_view(image: np.ndarray, mask: np.ndarray, middle_deg: float, fov_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """Keep the columns within fov_deg / 2 of an azimuth about the canvas heading."""
    W = image.shape[1]
    azimuth = ((np.arange(W) + 0.5) / W - 0.5) * 360
    keep = (np.abs(_wrap(azimuth - middle_deg)) <= fov_deg / 2).astype(np.uint8)
    return image * keep[None, :, None], mask * keep[None, :]
