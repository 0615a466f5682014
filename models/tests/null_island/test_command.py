import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from built_world import CONFIG_FILE, rows
from PIL import Image

from null_island.__main__ import main
from null_island.build import fingerprint
from null_island.config import SplitConfig, WorldConfig, load_config

CONFIGS = sorted(CONFIG_FILE.parent.glob("*.yaml"))
SMALL = {"photo_long_side_px": 64, "splits": [{"name": "val", "tiles_per_side": 2, "panoramas": 2, "photos": 2, "depth": True}]}


def write(path: Path, values: object) -> Path:
    path.write_text(yaml.safe_dump(values))
    return path


def run(*arguments: object) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        assert isinstance(stopped.code, int)
        return stopped.code


def test_build_writes_the_split_prints_progress_and_the_cost_of_a_view_and_the_contact_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = write(tmp_path / "small.yaml", SMALL)
    assert run("build", "--config", config, "--seed", -3, "--out", tmp_path / "out", "--jobs", 1, "--contact-sheet") == 0
    said = capsys.readouterr()
    assert re.search(r"val city 0 queries: 4/4, \d+\.\d/s, 0 s left", said.err)
    cost = re.search(r"^val: 4 tiles, 4 queries; rendered 4 and 4 of them in (\S+) s on 1 threads: (\S+) ms a view, (\S+) ms a pair$", said.err, re.M)
    assert cost is not None
    seconds, view_ms, pair_ms = map(float, cost.groups())
    assert view_ms == pytest.approx(1000 * seconds / 8, abs=7) and pair_ms == pytest.approx(2 * view_ms, abs=0.2)
    sheet = tmp_path / "out" / "val" / "contact-sheet.png"
    assert said.out == f"{sheet}\n"
    assert len(rows(tmp_path / "out" / "val" / "queries.csv")) == 4

    picture = np.asarray(Image.open(sheet).convert("RGB")).astype(int)
    assert picture.shape == (4 * 198, 192 + 4 + 768 + 4 + 384, 3)
    for k in range(4):
        row = picture[k * 198 : k * 198 + 192]
        red = (row[:, :192] == (255, 0, 0)).all(-1)
        assert red.sum() > 20, "the camera is marked on the tile"
        for left, right in ((0, 192), (196, 450), (968, 1050)):
            assert row[:90, left:right].std() > 10, "tile, ground view and range are drawn"


def test_only_the_splits_asked_for_are_built(tmp_path: Path):
    nowhere = {"name": "out_of_area", "tiles_per_side": 2, "photos": 1, "gallery": False}
    config = write(tmp_path / "two.yaml", {**SMALL, "splits": [*SMALL["splits"], nowhere]})
    assert run("build", "--config", config, "--seed", 1, "--out", tmp_path / "out", "--splits", "out_of_area", "--contact-sheet") == 0
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["out_of_area"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "required: command"),
        (["build"], "required: --config, --seed, --out"),
        (["render"], "invalid choice: 'render'"),
        (["build", "--config", "absent.yaml", "--seed", "1", "--out", "x"], "absent.yaml"),
        (["build", "--config", CONFIG_FILE, "--seed", "one", "--out", "x"], "--seed: invalid int value: 'one'"),
        (["build", "--config", CONFIG_FILE, "--seed", "1", "--out", "x", "--jobs", "0"], "--jobs: expected at least 1, got 0"),
        (["build", "--config", CONFIG_FILE, "--seed", "1", "--out", "x", "--splits", "val,test"], "split: expected one of train, val, .* got 'test'"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_was_expected(arguments: list, message: str, capsys: pytest.CaptureFixture[str]):
    assert run(*arguments) == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"tile_metres": 70, "splits": [{"name": "val"}]}, "unknown key tile_metres; known are .*tile_m"),
        ({"splits": [{"name": "val", "panorama": 3}]}, "splits: unknown key panorama; known are .*panoramas"),
        ({"splits": [{"panoramas": 3}]}, "splits: name is missing, one of train, val"),
        ({"splits": [{"name": "test"}]}, "split name: expected one of train, .* got 'test'"),
        ({"splits": [{"name": "val", "style": "c"}]}, "style of split val: expected one of a, b, got 'c'"),
        ({"splits": [{"name": "val", "tiles_per_side": 0}]}, "tiles_per_side of split val: expected at least 1, got 0"),
        ({"splits": [{"name": "val", "photos": -1}]}, "queries of split val: expected 0 or more, got 0 and -1"),
        ({"splits": [{"name": "val", "photos": "many"}]}, "photos of split val: expected int, got 'many'"),
        ({"splits": [{"name": "val", "depth": 1}]}, "depth of split val: expected bool, got 1"),
        ({"splits": [{"name": "val", "acquisition_block_m": 0}]}, "acquisition_block_m of split val: expected more than 0, got 0"),
        ({"splits": [{"name": "val"}, {"name": "val"}]}, "each name once, got .*'val', 'val'"),
        ({"splits": []}, "splits: expected at least one"),
        ({"splits": 3}, "splits: expected a list, got 3"),
        ({"splits": ["val"]}, "splits: expected a mapping, got 'val'"),
        ({"splits": [{"name": "same_area", "cities_of": "train"}]}, r"cities_of of split same_area: expected a split .*, got 'train'"),
        (
            {"splits": [{"name": "train"}, {"name": "same_area", "cities_of": "train", "cities": 2}]},
            "cities of split same_area: expected at most the 1 of train, got 2",
        ),
        ({"splits": [{"name": "val"}], "tile_px": 127}, "tile_px: expected an even number, since tiles overlap by half, got 127"),
        ({"splits": [{"name": "val"}], "tile_m": "wide"}, "tile_m of the configuration: expected float, got 'wide'"),
        ({"splits": [{"name": "val"}], "samples": 0}, "samples: expected 1 to 8, got 0"),
        ({"splits": [{"name": "val"}], "jpeg_quality": 101}, "jpeg_quality: expected 1 to 95, got 101"),
        ({"splits": [{"name": "val"}], "elevation_top_deg": -50}, "expected -90 <= bottom < top <= 90, got -45.0, -50"),
        ([1, 2], r"bad.yaml: expected a mapping, got \[1, 2\]"),
    ],
)
def test_a_mistake_in_the_configuration_is_named_and_exits_with_2(values: object, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = write(tmp_path / "bad.yaml", values)
    with pytest.raises(ValueError, match=message):
        load_config(config)
    assert run("build", "--config", config, "--seed", 1, "--out", tmp_path / "out") == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_yaml_is_refused_by_name(tmp_path: Path):
    (tmp_path / "broken.yaml").write_text("splits: [{name: val\n")
    with pytest.raises(ValueError, match=r"broken\.yaml: not YAML"):
        load_config(tmp_path / "broken.yaml")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_of_the_repository_can_be_read(path: Path):
    config = load_config(path)
    assert (config.tile_m, config.tile_px, config.panorama_width_px, config.panorama_height_px) == (70.0, 128, 384, 96)


def test_what_evaluation_and_demo_ask_for_is_large_enough():
    evaluate, demo = (load_config(CONFIG_FILE.parent / f"{name}.yaml") for name in ("evaluate", "demo"))
    assert evaluate.split("cross_area").tiles_per_side ** 2 >= 1700
    shown = demo.split("demo")
    assert shown.tiles_per_side**2 >= 1000 and shown.panoramas + shown.photos >= 100


def test_a_folder_that_is_no_split_of_a_world_is_never_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    mine = tmp_path / "out" / "val" / "holiday.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"precious")
    assert run("build", "--config", write(tmp_path / "small.yaml", SMALL), "--seed", 1, "--out", tmp_path / "out") == 1
    assert "holds something else than a split of a world" in capsys.readouterr().err
    assert mine.read_bytes() == b"precious"
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["val"]


def test_out_that_is_a_file_exits_with_1_and_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "file").write_text("")
    assert run("build", "--config", write(tmp_path / "small.yaml", SMALL), "--seed", 1, "--out", tmp_path / "file") == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_a_split_of_shared_cities_is_built_again_when_their_style_changes():
    def mark(style: str) -> str:
        shared = SplitConfig("same_area", cities_of="train")
        return fingerprint(WorldConfig((SplitConfig("train", style=style), shared)), shared, 1)

    assert mark("a") != mark("b")
