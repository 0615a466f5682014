"""Reads a built world back as its users do: tables, images, and nothing of the renderer's state."""

import csv
import functools
import hashlib
import json
import math
from pathlib import Path

import numpy as np
from PIL import Image

from null_island.build import MARGIN_M, city_plans
from null_island.city import City, build_city
from null_island.config import WorldConfig
from null_island.frame import CityFrame

SEED = 7
CONFIG_FILE = Path(__file__).parents[2] / "configs" / "null_island" / "tiny.yaml"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file, by its path inside the folder."""
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


class BuiltWorld:
    """The folder that a build wrote. Metres are those of a city's frame (x east, y north)."""

    def __init__(self, folder: Path, config: WorldConfig) -> None:
        self.folder, self.config = folder, config

    def splits(self) -> list[str]:
        return [split.name for split in self.config.splits]

    def tiles(self, split: str) -> list[dict[str, str]]:
        return rows(self.folder / split / "tiles.csv")

    def queries(self, split: str) -> list[dict[str, str]]:
        return rows(self.folder / split / "queries.csv")

    def poses(self, split: str) -> dict[str, dict[str, str]]:
        return {row["query_id"]: row for row in rows(self.folder / split / "poses.csv")}

    def description(self, split: str) -> dict:
        return json.loads((self.folder / split / "world.json").read_text())

    def image(self, split: str, name: str) -> np.ndarray:
        return np.asarray(Image.open(self.folder / split / name))

    def range_m(self, split: str, query: str) -> np.ndarray:
        """Range along each pixel's ray in metres, 0 in the sky."""
        return self.image(split, f"depth/{query}.png").astype(np.float64) / 100

    def classes(self, split: str, view: str) -> np.ndarray:
        return self.image(split, f"classes/{view}.png")

    def frame(self, split: str, index: int) -> CityFrame:
        """From world.json alone."""
        place = self.description(split)["cities"][index]
        return CityFrame(place["lon0"], place["lat0"])

    @functools.lru_cache(maxsize=4)  # noqa: B019
    def city(self, split: str, index: int) -> City:
        """The arrays behind the views, computed again from the seed."""
        plan = city_plans(self.config, SEED)[split][index]
        span = self.config.tile_m / 2 * (self.config.split(split).tiles_per_side - 1)
        return build_city(plan.seed, span + 2 * MARGIN_M, plan.style)

    @functools.lru_cache(maxsize=4)  # noqa: B019
    def satellite_map(self, split: str, index: int) -> tuple[np.ndarray, np.ndarray, float, float, float]:
        """The gallery of one city put together from its files: (height in metres, class, west, north, metres per pixel); row 0 in the north."""
        frame, px = self.frame(split, index), self.config.tile_px
        own = [t for t in self.tiles(split) if t["tile_id"].startswith(f"c{index:02d}_")]
        corners = [frame.to_metres(float(t["west"]), float(t["north"])) for t in own]
        west, north = min(x for x, _ in corners), max(y for _, y in corners)
        metres = self.config.tile_m / px
        side = px // 2 * (self.config.split(split).tiles_per_side + 1)
        height, classes = np.zeros((side, side)), np.zeros((side, side), np.uint8)
        for tile, (x, y) in zip(own, corners, strict=True):
            top, left = round((north - y) / metres), round((x - west) / metres)
            window = (slice(top, top + px), slice(left, left + px))
            height[window] = self.image(split, f"depth/tile_{tile['tile_id']}.png") / 100
            classes[window] = self.classes(split, f"tile_{tile['tile_id']}")
        return height, classes, west, north, metres


def camera_axes(pose: dict[str, str]) -> np.ndarray:
    """Right, forward and up of a camera in (east, north, up), [3, 3]: heading clockwise from north, pitch up, roll clockwise."""
    heading, pitch, roll = (math.radians(float(pose[name])) for name in ("heading_deg", "pitch_deg", "roll_deg"))
    forward = np.array([math.sin(heading) * math.cos(pitch), math.cos(heading) * math.cos(pitch), math.sin(pitch)])
    level = np.array([math.cos(heading), -math.sin(heading), 0.0])
    above = np.cross(level, forward)
    return np.stack([math.cos(roll) * level - math.sin(roll) * above, forward, math.sin(roll) * level + math.cos(roll) * above])


def rays(pose: dict[str, str], kind: str, height: int, width: int, top_deg: float, bottom_deg: float) -> np.ndarray:
    """Unit direction (east, north, up) through the centre of every pixel, [height, width, 3]."""
    if kind == "panorama":
        azimuth = np.radians(((np.arange(width) + 0.5) / width - 0.5) * 360)[None, :]
        elevation = np.radians(top_deg + (bottom_deg - top_deg) * (np.arange(height) + 0.5) / height)[:, None]
        in_camera = np.stack(
            [np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation), np.broadcast_to(np.sin(elevation), (height, width))], -1
        )
    else:
        focal = width / 2 / math.tan(math.radians(float(pose["hfov_deg"])) / 2)
        right, down = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
        in_camera = np.stack([right, np.full_like(right, focal), -down], -1)
        in_camera /= np.linalg.norm(in_camera, axis=-1, keepdims=True)
    return in_camera @ camera_axes(pose)
