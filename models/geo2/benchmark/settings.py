"""What a row of the benchmark is: read from models/configs/geo2/benchmark, one file a size and one of the ablations."""

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ..config import Config, parse_config, read_dataclass

CONFIGS = Path("models/configs")
SIZES = ("cpu", "gpu", "tiny")


@dataclass(frozen=True)
class SameArea:
    """Of the training's first cities: how many, and with how many queries."""

    cities: int = 1
    panoramas: int = 0
    photos: int = 0


@dataclass(frozen=True)
class DistractorCities:
    """cities x tiles_per_side x tiles_per_side tiles; counts: after how many ranks are stated."""

    cities: int = 1
    tiles_per_side: int = 64
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class RowSettings:
    """config: over the base. rival and its options; or ours: gfm_of, the row whose geometry model it takes; tuned_cnn, whether the CNN is trained
    too."""

    config: dict = field(default_factory=dict)
    rival: str = ""
    options: dict = field(default_factory=dict)
    gfm_of: str = ""
    tuned_cnn: bool = False


@dataclass(frozen=True)
class Settings:
    """world: configuration of the fresh splits. rivals: over the base, of every rival."""

    base: str
    world: str
    same_area: SameArea
    distractors: DistractorCities
    rivals: dict
    rows: dict


@dataclass(frozen=True)
class Row:
    """A system of the benchmark and everything its training is made from."""

    name: str
    config: Config
    settings: RowSettings

    @property
    def from_pixels(self) -> bool:
        return self.settings.rival != "" or self.settings.tuned_cnn


def merged(base: dict, over: dict) -> dict:
    """Group by group, `over` wins."""
    return base | {key: merged(base.get(key, {}), value) if isinstance(value, dict) else value for key, value in over.items()}


def load_settings(size: str, configs: Path = CONFIGS) -> tuple[Settings, dict[str, Row]]:
    """Of a size, with its rows by name. ValueError names what is wrong in which file."""
    folder = configs / "geo2" / "benchmark"
    settings = read_dataclass(Settings, yaml.safe_load((folder / f"{size}.yaml").read_text()), size)
    assert isinstance(settings, Settings)
    base = yaml.safe_load((configs / "geo2" / f"{settings.base}.yaml").read_text())
    ours = merged(base, settings.rows.get("geo2-mini", {}).get("config", {}))
    rows = {}
    for name, values in (settings.rows | yaml.safe_load((folder / "ablations.yaml").read_text())).items():
        row = read_dataclass(RowSettings, values, name)
        assert isinstance(row, RowSettings)
        over = merged(merged(base, settings.rivals) if row.rival else ours, row.config)
        rows[name] = Row(name, parse_config(over), row)
    return settings, rows
