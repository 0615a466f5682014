"""Reads view sets (format: DESIGN, files between the two languages)."""

import csv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

EARTH_RADIUS_M = 6_371_004.0
TILE_COLUMNS = ("tile_id", "image", "west", "south", "east", "north")
QUERY_COLUMNS = ("query_id", "image", "kind", "lon", "lat", "heading_deg", "fov_deg", "split")


@dataclass(frozen=True)
class Tile:
    """A georeferenced aerial image; bounds in degrees WGS84."""

    tile_id: str
    image: str
    west: float
    south: float
    east: float
    north: float

    @property
    def centre(self) -> tuple[float, float]:
        return (self.west + self.east) / 2, (self.south + self.north) / 2


@dataclass(frozen=True)
class Query:
    """A ground image; None where its table has no value. heading is the azimuth of the image centre in degrees."""

    query_id: str
    image: str
    kind: str
    lon: float | None
    lat: float | None
    heading_deg: float | None
    fov_deg: float | None
    split: str


@dataclass(frozen=True)
class ViewSet:
    """Tables of a view set and the folder that their image paths are relative to."""

    folder: Path
    tiles: tuple[Tile, ...]
    queries: tuple[Query, ...]

    def image(self, relative: str) -> np.ndarray:
        """uint8 RGB [H, W, 3]."""
        return np.asarray(Image.open(self.folder / relative).convert("RGB"))


def read_table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of a CSV. ValueError names missing columns; FileNotFoundError the file."""
    if not path.exists():
        raise FileNotFoundError(f"{path.name}: missing in view set {path.parent.name}")
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        missing = [c for c in columns if c not in (reader.fieldnames or [])]
        if missing:
            raise ValueError(f"{path.parent.name}/{path.name}: expected columns {', '.join(columns)}, missing {', '.join(missing)}")
        return list(reader)


def _number(text: str) -> float | None:
    return float(text) if text != "" else None


def read_view_set(folder: Path) -> ViewSet:
    """Read tiles.csv and queries.csv of a folder."""
    tiles = [
        Tile(r["tile_id"], r["image"], *(float(r[k]) for k in ("west", "south", "east", "north")))
        for r in read_table(folder / "tiles.csv", TILE_COLUMNS)
    ]
    queries = [
        Query(r["query_id"], r["image"], r["kind"], *(_number(r[k]) for k in ("lon", "lat", "heading_deg", "fov_deg")), r["split"])
        for r in read_table(folder / "queries.csv", QUERY_COLUMNS)
    ]
    return ViewSet(folder, tuple(tiles), tuple(queries))


def load_images(view_set: ViewSet, names: list[str], threads: int = 4) -> list[np.ndarray]:
    """Images in the order of the names, decoded in parallel."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(view_set.image, names))


def to_metres(lonlat: np.ndarray, origin: tuple[float, float]) -> np.ndarray:
    """Degrees [n, 2] to metres east and north of an origin (local scale; for distances of some kilometres)."""
    per_degree = EARTH_RADIUS_M * np.pi / 180
    delta = np.asarray(lonlat, np.float64) - np.asarray(origin)
    return delta * np.array([per_degree * np.cos(np.radians(origin[1])), per_degree])
