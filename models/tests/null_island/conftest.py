from pathlib import Path

import pytest
from built_world import CONFIG_FILE, SEED, BuiltWorld

from null_island.build import build_world
from null_island.config import WorldConfig, load_config


@pytest.fixture(scope="session")
def config() -> WorldConfig:
    return load_config(CONFIG_FILE)


@pytest.fixture(scope="session")
def world(config: WorldConfig, tmp_path_factory: pytest.TempPathFactory) -> BuiltWorld:
    """Every split of the tiny configuration, built once on two threads."""
    out: Path = tmp_path_factory.mktemp("world")
    build_world(config, SEED, out, [split.name for split in config.splits], jobs=2)
    return BuiltWorld(out, config)
