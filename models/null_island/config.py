"""The build's configuration: frozen dataclasses read from YAML; an unknown key is an error."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import yaml

STYLES = ("a", "b")
SPLIT_NAMES = ("train", "val", "same_area", "cross_area", "cross_style", "out_of_area", "calibration_out_of_area", "pretrain", "demo")


@dataclass(frozen=True)
class SplitConfig:
    """One view set of the world.

    tiles_per_side: the gallery of a city is a square of so many tiles on each side, in steps of half a tile.
    cluster_size: panoramas of one place and capture, 4-15 m apart (multi-view pretraining); 1 means independent queries.
    acquisition_block_m: side of the blocks that one satellite acquisition covers; imagery of two blocks differs in sun and season.
    cities_of: name of another split whose cities are used again (with other queries), as same-area evaluation does.
    gallery: False writes queries whose surroundings are in no gallery.
    """

    name: str
    cities: int = 1
    tiles_per_side: int = 42
    panoramas: int = 0
    photos: int = 0
    cluster_size: int = 1
    style: str = "a"
    depth: bool = False
    centred: bool = False
    gallery: bool = True
    acquisition_block_m: float = 800.0
    cities_of: str = ""

    def __post_init__(self) -> None:
        if self.name not in SPLIT_NAMES:
            raise ValueError(f"split name: expected one of {', '.join(SPLIT_NAMES)}, got {self.name!r}")
        if self.style not in STYLES:
            raise ValueError(f"style of split {self.name}: expected one of {', '.join(STYLES)}, got {self.style!r}")
        for field in ("cities", "tiles_per_side", "cluster_size"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} of split {self.name}: expected at least 1, got {getattr(self, field)}")
        if self.panoramas < 0 or self.photos < 0:
            raise ValueError(f"queries of split {self.name}: expected 0 or more, got {self.panoramas} and {self.photos}")


@dataclass(frozen=True)
class WorldConfig:
    """All splits and the geometry of the views: metres per tile, pixels, elevation band of the panorama (degrees above horizon)."""

    splits: tuple[SplitConfig, ...]
    tile_m: float = 70.0
    tile_px: int = 128
    panorama_width_px: int = 384
    panorama_height_px: int = 96
    elevation_top_deg: float = 45.0
    elevation_bottom_deg: float = -45.0
    photo_long_side_px: int = 320
    samples: int = 2
    jpeg_quality: int = 90

    def __post_init__(self) -> None:
        names = [split.name for split in self.splits]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"splits: expected at least one, each name once, got {names}")
        for split in self.splits:
            if split.cities_of and split.cities_of not in names:
                raise ValueError(f"cities_of of split {split.name}: no split is called {split.cities_of!r}")

    def split(self, name: str) -> SplitConfig:
        """The split of that name; ValueError when the configuration has none."""
        for split in self.splits:
            if split.name == name:
                return split
        raise ValueError(f"split: expected one of {', '.join(s.name for s in self.splits)}, got {name!r}")


def _checked(cls: type, values: dict, where: str) -> dict:
    known = {field.name for field in dataclasses.fields(cls)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"{where}: unknown key {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    return values


def load_config(path: Path) -> WorldConfig:
    """Read a YAML file. Raises ValueError naming the key, expected and got; FileNotFoundError when the file is absent."""
    raw = yaml.safe_load(path.read_text())
    if not isinstance(raw, dict):
        raise ValueError(f"{path.name}: expected a mapping at the top, got {type(raw).__name__}")
    values = dict(_checked(WorldConfig, raw, path.name))
    splits = tuple(SplitConfig(**_checked(SplitConfig, dict(item), f"{path.name}, splits")) for item in values.pop("splits", []))
    return WorldConfig(splits=splits, **values)
