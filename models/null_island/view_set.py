"""The view set's tables, as every reader expects them (format: DESIGN, files between the two languages)."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

TILE_COLUMNS = ("tile_id", "image", "west", "south", "east", "north")
QUERY_COLUMNS = ("query_id", "image", "kind", "lon", "lat", "heading_deg", "fov_deg", "split")
POSE_COLUMNS = ("query_id", "city", "cluster", "x_m", "y_m", "z_m", "heading_deg", "pitch_deg", "roll_deg", "hfov_deg")


@dataclass(frozen=True)
class TileRow:
    """A reference tile. Bounds in degrees WGS84; image relative to the view set."""

    tile_id: str
    image: str
    west: float
    south: float
    east: float
    north: float

    def cells(self) -> tuple:
        return (self.tile_id, self.image, *(f"{v:.9f}" for v in (self.west, self.south, self.east, self.north)))


@dataclass(frozen=True)
class QueryRow:
    """A ground query: lon, lat in degrees, heading of the image centre as a compass would state it, horizontal field of view."""

    query_id: str
    image: str
    kind: str
    lon: float
    lat: float
    heading_deg: float
    fov_deg: float
    split: str

    def cells(self) -> tuple:
        return (
            self.query_id,
            self.image,
            self.kind,
            f"{self.lon:.9f}",
            f"{self.lat:.9f}",
            f"{self.heading_deg:.3f}",
            f"{self.fov_deg:.3f}",
            self.split,
        )


@dataclass(frozen=True)
class PoseRow:
    """The exact pose behind a query: metres in the city's frame, degrees; `cluster` groups views of one place and capture."""

    query_id: str
    city: int
    cluster: int
    x_m: float
    y_m: float
    z_m: float
    heading_deg: float
    pitch_deg: float
    roll_deg: float
    hfov_deg: float

    def cells(self) -> tuple:
        numbers = (self.x_m, self.y_m, self.z_m, self.heading_deg, self.pitch_deg, self.roll_deg, self.hfov_deg)
        return (self.query_id, self.city, self.cluster, *(f"{v:.4f}" for v in numbers))


def write_table(path: Path, columns: tuple[str, ...], rows: list) -> None:
    """Write a CSV with these columns; every row has a `cells()`."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(row.cells() for row in rows)


def write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
