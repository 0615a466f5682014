"""From radiance to the file: tone curve, saturation, sensor noise, hand shake, JPEG with EXIF; range, height and class as PNG."""

import io

import numpy as np
from PIL import Image, ImageFilter

from .capture import Capture


def develop(radiance: np.ndarray, capture: Capture, rng: np.random.Generator) -> np.ndarray:
    """Radiance [H, W, 3] to uint8 RGB with the capture's gamma, saturation and noise."""
    image = np.clip(radiance, 0, None) ** (1 / capture.gamma)
    grey = image.mean(2, keepdims=True)
    image = grey + (image - grey) * capture.saturation
    image = image + rng.normal(0, capture.noise, image.shape)
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


def shake(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The slight blur of a hand-held photo, none in half of them."""
    radius = max(0.0, rng.normal(0, 0.6))
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius))) if radius > 0.1 else image


def jpeg(image: np.ndarray, quality: int, focal_length_35mm: int | None = None) -> bytes:
    """Encode; focal_length_35mm goes into the EXIF tag FocalLengthIn35mmFilm, as phones write it."""
    buffer = io.BytesIO()
    options = {}
    if focal_length_35mm is not None:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0xA405] = focal_length_35mm
        options["exif"] = exif
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, **options)
    return buffer.getvalue()


FULL_FRAME_DIAGONAL_MM = 43.267
"""Of a 36 x 24 mm frame: 35 mm equivalents compare diagonals."""


def focal_length_35mm(hfov_deg: float, width_px: int, height_px: int) -> int:
    """The 35 mm equivalent, in whole millimetres as EXIF holds it, of a photo with that horizontal field of view."""
    focal_px = width_px / 2 / np.tan(np.radians(hfov_deg) / 2)
    return round(float(focal_px * FULL_FRAME_DIAGONAL_MM / np.hypot(width_px, height_px)))


def fov_of_focal_length(focal_mm: int, width_px: int, height_px: int) -> float:
    """The horizontal field of view in degrees that `focal_length_35mm` stands for."""
    focal_px = focal_mm * np.hypot(width_px, height_px) / FULL_FRAME_DIAGONAL_MM
    return float(np.degrees(2 * np.arctan(width_px / 2 / focal_px)))


def png16(metres: np.ndarray, nothing: np.ndarray | None = None) -> bytes:
    """Metres to centimetres in 16 bits, saturated; 0 where `nothing` is true."""
    centimetres = np.clip(np.round(metres * 100), 0, 65535).astype(np.uint16)
    if nothing is not None:
        centimetres[nothing] = 0
    return png(centimetres)


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=2)
    return buffer.getvalue()
