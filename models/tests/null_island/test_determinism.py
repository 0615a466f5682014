import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from built_world import CONFIG_FILE, SEED, BuiltWorld, digests

from null_island.build import build_world, city_plans, fingerprint
from null_island.config import WorldConfig, load_config
from null_island.hashing import derive_seed, hash3


def test_the_same_seed_gives_the_same_bytes_on_one_thread_as_on_two(world: BuiltWorld, config: WorldConfig, tmp_path: Path):
    build_world(config, SEED, tmp_path, ["cross_area", "cross_style"], jobs=1)
    for split in ("cross_area", "cross_style"):
        assert digests(tmp_path / split) == digests(world.folder / split)


def test_another_seed_gives_other_images_at_other_places(world: BuiltWorld, config: WorldConfig, tmp_path: Path):
    build_world(config, SEED + 1, tmp_path, ["cross_style"], jobs=2)
    before, after = digests(world.folder / "cross_style"), digests(tmp_path / "cross_style")
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] == after[name]] == []


def test_a_build_killed_between_two_cities_goes_on_with_the_second_and_gives_the_same_bytes(
    world: BuiltWorld, config: WorldConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    command = [sys.executable, "-m", "null_island", "build", "--config", CONFIG_FILE, "--seed", str(SEED), "--out", tmp_path, "--splits", "train"]
    environment = {**os.environ, "PYTHONPATH": str(CONFIG_FILE.parents[2])}
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL, env=environment)
    deadline = time.monotonic() + 600
    while not (first := list(tmp_path.glob(".train.*/cities/0.json"))):
        assert process.poll() is None and time.monotonic() < deadline, "the build ended before its first city was finished"
        time.sleep(0.01)
    process.kill()
    process.wait()
    partial = first[0].parents[1]
    assert not (partial / "cities" / "1.json").exists() and not (tmp_path / "train").exists()
    image = next(partial.glob("images/c00_panorama_*.jpg"))
    written = image.stat().st_mtime_ns

    build_world(config, SEED, tmp_path, ["train"], jobs=2)
    assert (tmp_path / "train" / "images" / image.name).stat().st_mtime_ns == written, "the first city was rendered again"
    assert "train: 72 tiles, 32 queries; rendered 36 and 16 of them in" in capsys.readouterr().err
    assert digests(tmp_path / "train") == digests(world.folder / "train")
    assert not partial.exists()


def test_a_complete_split_is_kept_and_one_of_another_configuration_is_built_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def built(quality: int) -> dict[str, str]:
        text = f"jpeg_quality: {quality}\nphoto_long_side_px: 64\nsplits:\n  - {{name: val, tiles_per_side: 1, photos: 1}}\n"
        (tmp_path / "small.yaml").write_text(text)
        build_world(load_config(tmp_path / "small.yaml"), 3, tmp_path / "out", ["val"], jobs=1)
        return digests(tmp_path / "out" / "val")

    first = built(90)
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.jpg")}
    capsys.readouterr()
    assert built(90) == first
    assert "val: complete, kept" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in times} == times
    assert built(60) != first


def test_the_fingerprint_depends_on_seed_configuration_and_the_split(config: WorldConfig):
    marks = {fingerprint(config, split, seed) for split in config.splits for seed in (1, 2)}
    assert len(marks) == 2 * len(config.splits)


def test_cities_stay_when_a_split_is_added_after_theirs(config: WorldConfig):
    shorter = dataclasses.replace(config, splits=config.splits[:3])
    assert city_plans(shorter, SEED) == {name: city_plans(config, SEED)[name] for name in ("train", "val", "cross_area")}


def test_seeds_are_the_same_on_every_machine():
    assert derive_seed(1, "train", 0) == 71_573_217
    assert [int(hash3(a, b, c)) for a, b, c in ((0, 0, 0), (1, 2, 3), (-5, 70_000, 2**30))] == [0, 2_663_666_396, 2_133_998_210]
