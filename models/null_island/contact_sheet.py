"""A picture of some pairs of a view set: tile with the camera marked, ground view, and where present range and classes."""

import csv
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .frame import METRES_PER_DEGREE

PALETTE = np.array(
    [
        [90, 90, 95],
        [190, 185, 175],
        [110, 170, 70],
        [130, 130, 140],
        [50, 110, 190],
        [200, 170, 110],
        [190, 70, 60],
        [30, 110, 40],
        [60, 140, 60],
        [120, 80, 50],
        [20, 20, 20],
        [250, 210, 40],
        [250, 90, 200],
    ],
    np.uint8,
)
SKY_COLOUR = (150, 200, 250)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def _class_image(path: Path) -> Image.Image:
    classes = np.asarray(Image.open(path))
    image = np.empty((*classes.shape, 3), np.uint8)
    image[:] = SKY_COLOUR
    known = classes < len(PALETTE)
    image[known] = PALETTE[classes[known]]
    return Image.fromarray(image)


def _range_image(path: Path) -> Image.Image:
    metres = np.asarray(Image.open(path)).astype(np.float32) / 100
    shade = np.where(metres > 0, 255 - 50 * np.log2(np.maximum(metres, 1.0)), 0)
    return Image.fromarray(np.clip(shade, 0, 255).astype(np.uint8)).convert("RGB")


def write_contact_sheet(view_set: Path, pairs: int = 10) -> Path:
    """Write contact-sheet.png into the view set and return its path. The camera is a red dot with a line along its heading."""
    tiles = _rows(view_set / "tiles.csv")
    queries = _rows(view_set / "queries.csv")
    chosen = [queries[int(i)] for i in np.linspace(0, len(queries) - 1, min(pairs, len(queries)))]
    centres = np.array([[(float(t["west"]) + float(t["east"])) / 2, (float(t["south"]) + float(t["north"])) / 2] for t in tiles])
    height, ground_width = 192, 768
    sheet = Image.new("RGB", (height + 4 + ground_width + 4 + 384, (height + 6) * len(chosen)), "white")
    for k, query in enumerate(chosen):
        top = k * (height + 6)
        position = np.array([float(query["lon"]), float(query["lat"])])
        if len(tiles) > 0:
            tile = tiles[int(np.argmin(((centres - position) ** 2).sum(1)))]
            image = Image.open(view_set / tile["image"]).resize((height, height), Image.Resampling.NEAREST)
            draw = ImageDraw.Draw(image)
            metres_per_px = (float(tile["north"]) - float(tile["south"])) * METRES_PER_DEGREE / height
            x = (position[0] - float(tile["west"])) * METRES_PER_DEGREE / metres_per_px
            y = (float(tile["north"]) - position[1]) * METRES_PER_DEGREE / metres_per_px
            heading = math.radians(float(query["heading_deg"]))
            draw.line((x, y, x + 18 * math.sin(heading), y - 18 * math.cos(heading)), fill="red", width=2)
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill="red")
            sheet.paste(image, (0, top))
        ground = Image.open(view_set / query["image"])
        ground.thumbnail((ground_width, height)) if ground.width < ground_width else None
        scale = min(ground_width / ground.width, height / ground.height)
        sheet.paste(ground.resize((int(ground.width * scale), int(ground.height * scale))), (height + 4, top))
        for n, (folder, read) in enumerate((("depth", _range_image), ("classes", _class_image))):
            path = view_set / folder / f"{query['query_id']}.png"
            if path.exists():
                image = read(path)
                scale = min(384 / image.width, (height / 2 - 2) / image.height)
                image = image.resize((int(image.width * scale), int(image.height * scale)), Image.Resampling.NEAREST)
                sheet.paste(image, (height + ground_width + 8, top + n * height // 2))
    target = view_set / "contact-sheet.png"
    sheet.save(target)
    return target
