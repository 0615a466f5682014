"""The benchmark's command on the tiny world, what it ranks among distractors, and its report."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from geo2.benchmark import __main__ as benchmark
from geo2.benchmark.report import BEGIN, END, markdown_table, over_seeds, replace_system, write_table
from geo2.benchmark.settings import SIZES, load_settings
from geo2.data.pixels import PixelPairs
from geo2.data.samples import place_query
from geo2.data.view_set import read_view_set
from geo2.evaluate.retrieval import Condition, Distractors, evaluate_split
from null_island.build import each_city
from null_island.config import SplitConfig, WorldConfig

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Iterator[Path]:
    """Ours, a rival with two seeds, and an ablation that takes our geometry model; the rival's second seed goes on where it stopped."""
    folder = tmp_path_factory.mktemp("benchmark")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        common = ["--tiny", "--out", str(folder)]
        for row in ("geo2-mini", "sample4geo", "ablation-tuned-cnn"):
            assert benchmark.main([row, *common]) == 0
        assert benchmark.main(["sample4geo", *common, "--seed", "2"]) == 0
        yield folder


def test_the_report_holds_every_condition_of_every_split_and_what_training_took(out):
    rows = json.loads((out / "benchmark-2026.json").read_text())
    assert {row["system"] for row in rows} == {"geo2-mini", "sample4geo", "ablation-tuned-cnn"}
    for system in ("geo2-mini", "sample4geo"):
        where = {(row["split"], row["condition"], row["metric"]): row for row in rows if row["system"] == system}
        assert {split for split, _, _ in where} == {"cross_area", "cross_style", "same_area", "train"}
        for condition in ("aligned", "unknown_heading", "fov70_unknown_heading", "photo", "aligned_distractors5", "aligned_distractors15"):
            assert 0 <= where["cross_area", condition, "r1"]["value"] <= 100
        one, five, fifteen = (where["cross_area", f"aligned{d}", "r5"]["value"] for d in ("", "_distractors5", "_distractors15"))
        assert one >= five >= fifteen
        took = [row for row in rows if row["system"] == system and row["task"] == "bench"]
        assert {row["metric"] for row in took} == {"train_minutes", "train_pairs"} and all(row["value"] > 0 for row in took)
    seeds = [row for row in rows if row["system"] == "sample4geo"]
    assert all(row["seeds"] == 2 for row in seeds if row["task"] == "retrieval")
    assert not any("sd" in row for row in rows if row["system"] == "geo2-mini")


def test_a_resumed_row_keeps_what_was_trained_and_measured(out):
    run = out / "runs/seed-1/sample4geo"
    files = [run / "geomap.pt", *sorted((run / "results").glob("2026-*.json"))]
    before = [file.stat().st_mtime_ns for file in files]
    assert benchmark.main(["sample4geo", "--tiny", "--out", str(out), "--resume"]) == 0
    assert [file.stat().st_mtime_ns for file in files] == before and len(files) == 4


def test_the_distractors_are_gone_and_the_cache_too(out):
    assert not list((out / "distractors").glob("*")) and not (out / "runs/seed-1/geo2-mini/cache").exists()
    assert json.loads((out / "runs/seed-1/geo2-mini/cache-seconds.json").read_text()) > 0


def test_mistakes_are_answered_with_what_to_do(out, tmp_path, capsys):
    assert benchmark.main(["sample4geos", "--tiny", "--out", str(out)]) == 1
    assert "row: expected one of geo2-mini, sample4geo" in capsys.readouterr().err
    arguments = ["ablation-panorama", "--tiny", "--seed", "9", "--data", str(out / "world"), "--out", str(tmp_path)]
    assert benchmark.main(arguments) == 1
    assert "takes the geometry model of geo2-mini; run that row with --seed 9 first" in capsys.readouterr().err


@pytest.mark.parametrize("size", SIZES)
def test_every_size_has_every_row_and_rivals_train_as_long_as_ours(size):
    settings, rows = load_settings(size, ROOT / "models/configs")
    ours = rows["geo2-mini"].config
    assert {"sample4geo", "safa-polar", "geodtr", "singeo", "ablation-views-1", "ablation-no-gfm"} <= set(rows)
    for row in rows.values():
        if row.settings.rival and size != "tiny":
            assert row.config.geomap_training.minutes >= ours.gfm_training.minutes + ours.geomap_training.minutes
        if not row.settings.rival and row.name != "geo2-mini":
            assert row.config != ours or row.settings.tuned_cnn, f"{row.name} changes nothing"
    d = settings.distractors
    assert d.cities * d.tiles_per_side**2 >= max(d.counts)


def test_a_drawn_canvas_looks_where_the_tile_is_up(out):
    config = load_settings("tiny", ROOT / "models/configs")[1]["sample4geo"].config
    still = {"heading_sigma_deg": 0.0, "heading_uniform_share": 0.0, "limited_fov_share": 0.0}
    config = dataclasses.replace(config, geomap_training=dataclasses.replace(config.geomap_training, **still))
    pairs = PixelPairs(config, out / "world/train")
    row = int(np.flatnonzero(~pairs.photo)[0])
    view_set = read_view_set(out / "world/train")
    query = view_set.queries[row]
    for step in range(4):
        batch = pairs.draw(np.array([row]), np.random.default_rng(step))
        straight = place_query(view_set.image(query.image), query, float(batch.standing.up_deg[0]), config)[0].mean(-1)
        drawn = batch.canvas[0].numpy().mean(-1)
        likeness = [np.corrcoef(np.roll(straight, 8 * n, 1).ravel(), drawn.ravel())[0, 1] for n in range(48)]
        assert int(np.argmax(likeness)) == 0
        apart = np.abs(batch.standing.centre_m - batch.standing.query_m).max()
        assert apart <= config.geometry.tile_m / 4 + 0.5


class Drawn:
    """Embeds an image as a unit vector that its pixels draw."""

    name, turns_deg = "drawn", np.zeros(1)

    def __init__(self, geometry) -> None:
        self.geometry = geometry

    def satellite(self, tiles: list[np.ndarray]) -> np.ndarray:
        vectors = np.stack([np.random.default_rng(int(tile.astype(np.int64).sum())).normal(size=3) for tile in tiles])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def ground(self, canvases: list[np.ndarray], masks: list[np.ndarray]) -> np.ndarray:
        return self.satellite(canvases)[:, None]


@pytest.mark.parametrize("batch", [3, 4, 100])
def test_ranks_among_distractors_are_those_of_one_large_gallery(out, batch):
    config = load_settings("tiny", ROOT / "models/configs")[1]["sample4geo"].config
    embedder = Drawn(config.geometry)
    rng = np.random.default_rng(0)
    others = [rng.integers(0, 256, (128, 128, 3), np.uint8) for _ in range(12)]
    batches = [others[i : i + batch] for i in range(0, 12, batch)]
    folder = out / "edition-2026/cross_area"
    aligned = Condition("aligned", "panorama", True)

    def value(condition: str, distractors: Distractors | None) -> float:
        rows = evaluate_split(embedder, folder, "cross_area", (aligned,), distractors)
        return next(row["value"] for row in rows if (row["condition"], row["metric"]) == (condition, "r10"))

    alone, few, all_ = value("aligned", None), *(value(f"aligned_distractors{n}", Distractors((5, 12), batches)) for n in (5, 12))
    view_set = read_view_set(folder)
    similarity = _similarity(embedder, view_set, others, config)
    for got, count in ((alone, 0), (few, 5), (all_, 12)):
        gallery = similarity[:, : len(view_set.tiles) + count]
        truth = _truth(view_set)
        above = (gallery > gallery[np.arange(len(truth)), truth][:, None]).sum(1)
        assert got == pytest.approx(100 * (above < 10).mean(), abs=1e-2)
    with pytest.raises(ValueError, match="expected 13 tiles, got 12"):
        value("aligned", Distractors((13,), batches))


def _truth(view_set) -> np.ndarray:
    centres = np.array([t.centre for t in view_set.tiles])
    return np.array([((centres - (q.lon, q.lat)) ** 2).sum(1).argmin() for q in view_set.queries if q.kind == "panorama"])


def _similarity(embedder: Drawn, view_set, others: list[np.ndarray], config) -> np.ndarray:
    queries = [q for q in view_set.queries if q.kind == "panorama"]
    canvases = [place_query(view_set.image(q.image), q, 0.0, config)[0] for q in queries]
    tiles = [view_set.image(t.image) for t in view_set.tiles]
    return embedder.satellite(canvases) @ embedder.satellite([*tiles, *others]).T


def test_a_city_of_distractors_is_a_view_set_until_the_next_is_asked_for(tmp_path):
    world = WorldConfig((SplitConfig("distractors", 2, 2),))
    seen = []
    for folder in each_city(world, "distractors", 5, tmp_path, 1):
        view_set = read_view_set(folder)
        assert len(view_set.tiles) == 4 and not view_set.queries
        assert view_set.image(view_set.tiles[0].image).shape == (128, 128, 3)
        assert not any(other.exists() for other in seen)
        seen.append(folder)
    assert len(seen) == 2 and not list(tmp_path.iterdir())


def a_row(system: str, value: float, metric: str = "r1", condition: str = "aligned") -> dict:
    about = {"system": system, "task": "retrieval", "split": "cross_area", "condition": condition, "metric": metric}
    return about | {"value": value, "n": 100, "ci95": [value - 10, value + 10]}


def test_seeds_become_a_mean_with_its_spread_and_one_seed_stays_as_it_is():
    assert over_seeds([[a_row("a", 30)]]) == [a_row("a", 30)]
    (merged,) = over_seeds([[a_row("a", 30)], [a_row("a", 36)], [a_row("a", 33)]])
    assert (merged["value"], merged["sd"], merged["seeds"], merged["ci95"]) == (33, 3, 3, [23, 43])


def test_a_system_takes_the_place_of_its_old_rows_and_others_keep_theirs(tmp_path):
    report = tmp_path / "report.json"
    replace_system(report, "a", [a_row("a", 30), a_row("a", 40, "hit")])
    replace_system(report, "b", [a_row("b", 10)])
    replace_system(report, "a", [a_row("a", 31)])
    assert json.loads(report.read_text()) == [a_row("b", 10), a_row("a", 31)]


def test_the_table_shows_what_was_measured_and_nothing_else(tmp_path):
    assert markdown_table([]) == "Nothing has been measured yet."
    page, report = tmp_path / "page.md", tmp_path / "report.json"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    replace_system(report, "a", [a_row("a", 30.04) | {"sd": 1.26, "seeds": 3}])
    write_table(report, page)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n| system | minutes | R@1 |") and text.endswith(f"{END}\nafter\n") and "old" not in text
    assert "| a | - | 30.0 ± 1.3 | - |" in text
    page.write_text("no markers")
    with pytest.raises(ValueError, match="expected one"):
        write_table(report, page)
