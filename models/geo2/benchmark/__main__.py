"""`python -m geo2.benchmark ROW [--size cpu] [--seed N] [--edition N] [--minutes M] [--data DIR] [--out DIR] [--resume]`, and `... table`."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from null_island.build import build_world, each_city
from null_island.config import SplitConfig, WorldConfig
from null_island.config import load_config as load_world

from ..data.view_set import load_images, read_view_set
from ..evaluate.embedder import Embedder
from ..evaluate.report import format_table
from ..evaluate.retrieval import Distractors, ViewEmbedder, evaluate_split
from ..train.checkpoint import load_checkpoint
from .report import over_seeds, replace_system, write_table
from .settings import CONFIGS, SIZES, Row, Settings, load_settings
from .training import compute_rows, embedder_of, train_row, with_budget

TRAINING_SEED = 1
EDITION = 2026
"""Public seeds: of the world that is trained on, and of the splits that are measured on."""
RESULTS = Path("bench/results")
PAGE = Path("docs/benchmark.md")
TILES_AT_ONCE = 1024


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m geo2.benchmark", description="Train one row of the benchmark and measure it on fresh splits.")
    parser.add_argument("row", help="a system, e.g. geo2-mini, sample4geo, ablation-views-2; `list` names all; `table` renews docs/benchmark.md")
    parser.add_argument("--size", choices=SIZES, default="cpu", help="cpu: two cores; gpu: one large GPU; tiny: seconds, to try the command")
    parser.add_argument("--tiny", action="store_const", dest="size", const="tiny", help="the same as --size tiny")
    parser.add_argument("--seed", type=int, default=1, help="of weights and batches (default 1); results of several are averaged")
    parser.add_argument("--edition", type=int, default=EDITION, help=f"seed of the fresh splits and distractors (default {EDITION})")
    parser.add_argument("--minutes", type=float, help="of training in all, instead of the configuration's")
    parser.add_argument("--data", type=Path, help="a world that is there already, with train, val and pretrain (default: built in --out)")
    parser.add_argument("--model", type=Path, help="folder of a released model to measure as geo2-mini, instead of training one")
    parser.add_argument("--out", type=Path, help="worlds, runs and results (default run/benchmark-SIZE)")
    parser.add_argument(
        "--report", type=Path, help="the report that the row is written into (default bench/results/benchmark.json for the public edition)"
    )
    parser.add_argument("--distractors", action=argparse.BooleanOptionalAction, help="default: all rows but ablations")
    parser.add_argument("--resume", action="store_true", help="go on with training and measuring where they stopped")
    return parser


def _report_of(args: argparse.Namespace, out: Path) -> Path:
    if args.report is not None:
        return args.report
    if args.size == "tiny" or args.edition != EDITION:
        return out / f"benchmark-{args.edition}.json"
    return RESULTS / ("benchmark.json" if args.size == "cpu" else f"benchmark-{args.size}.json")


def _budgeted(rows: dict[str, Row], name: str, args: argparse.Namespace) -> Row:
    """--minutes is what a rival trains for, and geo2-mini; an ablation keeps the stages of geo2-mini as long as they are there."""
    owner = rows[name if rows[name].settings.rival else "geo2-mini"]
    gfm, geomap = owner.config.gfm_training.minutes, owner.config.geomap_training.minutes
    whole = geomap if owner.settings.rival else gfm + geomap
    return with_budget(rows[name], args.seed, 1.0 if args.minutes is None else args.minutes / whole)


def _train(rows: dict[str, Row], name: str, args: argparse.Namespace, data: Path, out: Path) -> Path:
    """Train a row into its run folder. FileNotFoundError where the row whose geometry model it takes has none yet."""
    row, run = _budgeted(rows, name, args), out / "runs" / f"seed-{args.seed}" / name
    gfm = None
    if row.settings.gfm_of:
        gfm = out / "runs" / f"seed-{args.seed}" / row.settings.gfm_of / "gfm.pt"
        owner = _budgeted(rows, row.settings.gfm_of, args)
        if not gfm.exists() or load_checkpoint(gfm)["spent"] < owner.config.gfm_training.minutes * 60:
            raise FileNotFoundError(f"{name}: takes the geometry model of {owner.name}; run that row with --seed {args.seed} first")
    train_row(row, data, run, gfm, args.resume)
    return run


def _splits(settings: Settings, row: Row, args: argparse.Namespace, out: Path) -> dict[str, Path]:
    """Render what is missing of the splits that are measured on. The same-area queries are in the training's cities, so they go by its seed."""
    world, jobs = load_world(CONFIGS / "null_island" / f"{settings.world}.yaml"), os.cpu_count() or 1
    fresh = ["cross_area", "cross_style"]
    build_world(world, args.edition, out / f"edition-{args.edition}", fresh, jobs)
    trained = load_world(CONFIGS / "null_island" / f"{row.config.world}.yaml")
    s = settings.same_area
    of_training = SplitConfig("same_area", s.cities, trained.split("train").tiles_per_side, s.panoramas, s.photos, cities_of="train")
    others = tuple(split for split in trained.splits if split.name != "same_area")
    build_world(replace(trained, splits=(*others, of_training)), TRAINING_SEED, out / "same-area", ["same_area"], jobs)
    return {name: out / f"edition-{args.edition}" / name for name in fresh} | {"same_area": out / "same-area" / "same_area"}


def _distractor_tiles(settings: Settings, edition: int, out: Path) -> Iterator[list[np.ndarray]]:
    """City by city: rendered, read and gone."""
    d = settings.distractors
    world = WorldConfig((SplitConfig("distractors", d.cities, d.tiles_per_side),))
    for folder in each_city(world, "distractors", edition, out / "distractors", os.cpu_count() or 1):
        view_set = read_view_set(folder)
        for start in range(0, len(view_set.tiles), TILES_AT_ONCE):
            yield load_images(view_set, [tile.image for tile in view_set.tiles[start : start + TILES_AT_ONCE]])


def _measure(embedder: ViewEmbedder, settings: Settings, row: Row, args: argparse.Namespace, run: Path, out: Path) -> list[dict]:
    """Rows of every split, each kept beside the run, so that a measurement goes on where it stopped."""
    wanted = not row.name.startswith("ablation-") if args.distractors is None else args.distractors
    rows = []
    for split, folder in _splits(settings, row, args, out).items():
        kept = run / "results" / f"{args.edition}-{split}.json"
        if not (args.resume and kept.exists() and kept.stat().st_mtime > _trained_at(run)):
            sys.stderr.write(f"{row.name}: measured on {split}\n")
            distractors = None
            if wanted and split == "cross_area":
                distractors = Distractors(settings.distractors.counts, _distractor_tiles(settings, args.edition, out))
            measured = evaluate_split(embedder, folder, split, distractors=distractors)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps([result | {"system": row.name} for result in measured]))
        rows += json.loads(kept.read_text())
    return rows


def _trained_at(run: Path) -> float:
    checkpoint = run / "geomap.pt"
    return checkpoint.stat().st_mtime if checkpoint.exists() else 0.0


def _of_all_seeds(out: Path, name: str, edition: int) -> list[dict]:
    results = []
    for run in sorted((out / "runs").glob(f"seed-[0-9]*/{name}")):
        files = [*sorted((run / "results").glob(f"{edition}-*.json")), run / "results" / "compute.json"]
        results.append([row for file in files if file.exists() for row in json.loads(file.read_text())])
    return over_seeds(results)


def run_row(args: argparse.Namespace) -> list[dict]:
    """Train (or take), measure, and write the row into the report. ValueError and FileNotFoundError say what to do."""
    settings, rows = load_settings(args.size)
    if args.row not in rows:
        raise ValueError(f"row: expected one of {', '.join(rows)}, got {args.row!r}")
    if args.model is not None and args.row != "geo2-mini":
        raise ValueError(f"--model: a released model is measured as geo2-mini, got row {args.row}")
    out, row = args.out or Path("run") / f"benchmark-{args.size}", rows[args.row]
    if row.config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: size gpu needs a CUDA device, and this machine has none; use --size cpu")
    if args.model is not None:
        run, embedder = out / "runs" / "seed-released" / row.name, Embedder(args.model)
        measured = _measure(embedder, settings, row, args, run, out)
        replace_system(_report_of(args, out), row.name, over_seeds([measured]))
        return measured
    data = args.data or out / "world"
    if args.data is None:
        world = load_world(CONFIGS / "null_island" / f"{row.config.world}.yaml")
        build_world(world, TRAINING_SEED, data, ["pretrain", "val", "train"], os.cpu_count() or 1)
    run = _train(rows, args.row, args, data, out)
    row = _budgeted(rows, args.row, args)
    _measure(embedder_of(row, run), settings, row, args, run, out)
    (run / "results" / "compute.json").write_text(json.dumps(compute_rows(row, run)))
    merged = _of_all_seeds(out, row.name, args.edition)
    replace_system(_report_of(args, out), row.name, merged)
    return merged


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        if args.row == "list":
            print("\n".join(load_settings(args.size)[1]))
        elif args.row == "table":
            write_table(args.report or RESULTS / "benchmark.json", PAGE)
        else:
            print(format_table(run_row(args)))
    except (FileNotFoundError, ValueError) as error:
        sys.stderr.write(f"benchmark: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
