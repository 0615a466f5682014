"""The build's configuration: frozen dataclasses read from YAML; an unknown key is an error."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import yaml

STYLES = ("a", "b")
SPLIT_NAMES = ("train", "val", "same_area", "cross_area", "cross_style", "out_of_area", "calibration_out_of_area", "pretrain", "demo", "distractors")


def _expect_kinds(config: object, where: str) -> None:
    """ValueError for a field whose value is not of the kind of its default; a whole number may stand for a fraction."""
    for field in dataclasses.fields(config):
        kind = type(field.default)
        if kind not in (bool, int, float, str):
            continue
        value = getattr(config, field.name)
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise ValueError(f"{field.name} {where}: expected {kind.__name__}, got {value!r}")


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
        _expect_kinds(self, f"of split {self.name}")
        for field in ("cities", "tiles_per_side", "cluster_size"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} of split {self.name}: expected at least 1, got {getattr(self, field)}")
        if self.acquisition_block_m <= 0:
            raise ValueError(f"acquisition_block_m of split {self.name}: expected more than 0, got {self.acquisition_block_m}")
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
        _expect_kinds(self, "of the configuration")
        for field in ("tile_m", "panorama_width_px", "panorama_height_px"):
            if getattr(self, field) <= 0:
                raise ValueError(f"{field}: expected more than 0, got {getattr(self, field)}")
        if self.tile_px < 2 or self.tile_px % 2 != 0:
            raise ValueError(f"tile_px: expected an even number, since tiles overlap by half, got {self.tile_px}")
        if self.photo_long_side_px < 4:
            raise ValueError(f"photo_long_side_px: expected at least 4, got {self.photo_long_side_px}")
        bottom, top = self.elevation_bottom_deg, self.elevation_top_deg
        if not -90 <= bottom < top <= 90:
            raise ValueError(f"elevation_bottom_deg, elevation_top_deg: expected -90 <= bottom < top <= 90, got {bottom}, {top}")
        if not 1 <= self.samples <= 8:
            raise ValueError(f"samples: expected 1 to 8, got {self.samples}")
        if not 1 <= self.jpeg_quality <= 95:
            raise ValueError(f"jpeg_quality: expected 1 to 95, got {self.jpeg_quality}")
        names = [split.name for split in self.splits]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"splits: expected at least one, each name once, got {names}")
        for split in self.splits:
            if split.cities_of:
                self._expect_cities(split)

    def _expect_cities(self, split: SplitConfig) -> None:
        owners = {other.name: other for other in self.splits if not other.cities_of}
        if split.cities_of not in owners:
            raise ValueError(
                f"cities_of of split {split.name}: expected a split with cities of its own ({', '.join(owners)}), got {split.cities_of!r}"
            )
        if split.cities > owners[split.cities_of].cities:
            raise ValueError(
                f"cities of split {split.name}: expected at most the {owners[split.cities_of].cities} of {split.cities_of}, got {split.cities}"
            )

    def split(self, name: str) -> SplitConfig:
        """The split of that name; ValueError when the configuration has none."""
        for split in self.splits:
            if split.name == name:
                return split
        raise ValueError(f"split: expected one of {', '.join(s.name for s in self.splits)}, got {name!r}")


def _checked(cls: type, values: object, where: str) -> dict:
    if not isinstance(values, dict):
        raise ValueError(f"{where}: expected a mapping, got {values!r}")
    known = {field.name for field in dataclasses.fields(cls)}
    unknown = sorted(str(key) for key in set(values) - known)
    if unknown:
        raise ValueError(f"{where}: unknown key {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    return values


def _split(item: object, where: str) -> SplitConfig:
    values = _checked(SplitConfig, item, where)
    if "name" not in values:
        raise ValueError(f"{where}: name is missing, one of {', '.join(SPLIT_NAMES)}")
    return SplitConfig(**values)


def load_config(path: Path) -> WorldConfig:
    """Read a YAML file. Raises ValueError naming the key, expected and got; FileNotFoundError when the file is absent."""
    try:
        raw = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name}: not YAML: {error}") from error
    values = dict(_checked(WorldConfig, raw, path.name))
    splits = values.pop("splits", [])
    if not isinstance(splits, list):
        raise ValueError(f"{path.name}, splits: expected a list, got {splits!r}")
    return WorldConfig(splits=tuple(_split(item, f"{path.name}, splits") for item in splits), **values)
