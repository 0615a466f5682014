"""`python -m geo2.baselines KIND --model DIR --data SPLIT --world WORLD --out report.json [--config F --run RUN --time-budget 60m]`."""

import argparse
import sys
from pathlib import Path

from ..config import Config, load_config
from ..data.view_set import read_view_set
from ..evaluate.__main__ import FEATURES
from ..evaluate.embedder import Embedder
from ..evaluate.report import format_table, merge_report
from ..evaluate.synthesis import System, build_judge, read_pairs
from ..evaluate.synthesizer import Synthesizer
from ..export import DIRECTIONS
from ..train.__main__ import minutes_of
from .nearest_neighbour import nearest_neighbour
from .rivals import KINDS, load_rival, train_rival

NEAREST = "nearest-neighbour"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m geo2.baselines", description="Train a rival of the flow where it needs training, and score it.")
    parser.add_argument("kind", choices=[NEAREST, *KINDS, "all"])
    parser.add_argument("--model", type=Path, required=True, help="released model, whose embedding judges")
    parser.add_argument("--data", type=Path, required=True, help="view set to score on, as for `geo2.evaluate synthesis`")
    parser.add_argument("--world", type=Path, required=True, help="world with train and val, to learn from")
    parser.add_argument("--out", type=Path, required=True, help="report.json: rows are written over those of the same rival that are there")
    parser.add_argument("--config", type=Path, help="YAML file of the run; for a rival that is trained")
    parser.add_argument("--run", type=Path, help="run folder with gfm, geomap, rae and geoflow; the rival's weights are kept there")
    parser.add_argument("--time-budget", type=minutes_of, help="minutes of training in all (default: those of geoflow, or of joint)")
    parser.add_argument("--features", type=Path, default=FEATURES, help=f"file with the frozen geometry model (default {FEATURES})")
    parser.add_argument("--segmenter-data", type=Path, help="another split with classes/, to train the judge of layouts on")
    parser.add_argument("--limit", type=int, default=0, help="how many panoramas are scored, evenly spread (default: all)")
    parser.add_argument("--train-limit", type=int, default=2000, help="how many training places the nearest neighbour is looked for in")
    return parser


def build_system(kind: str, args: argparse.Namespace, config: Config | None, embedder: Embedder, synthesizer: Synthesizer) -> System:
    """Trained where it has to be."""
    if kind == NEAREST or config is None:
        return nearest_neighbour(read_pairs(read_view_set(args.world / "train"), embedder, synthesizer.size_px, args.train_limit))
    train_rival(kind, config, args.world, args.run, args.time_budget)
    return load_rival(kind, config, args.run)


def main(argv: list[str] | None = None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    if args.kind != NEAREST and (args.config is None or args.run is None):
        parser.error(f"{args.kind}: --config and --run are needed")
    kind = args.kind
    try:
        config = None if args.config is None else load_config(args.config)
        embedder, synthesizer = Embedder(args.model), Synthesizer(args.model)
        systems = {}
        for kind in (NEAREST, *KINDS) if args.kind == "all" else (args.kind,):
            systems[kind] = build_system(kind, args, config, embedder, synthesizer)
        view_set = read_view_set(args.data)
        pairs = read_pairs(view_set, embedder, synthesizer.size_px, args.limit)
        judge = build_judge(view_set, embedder, args.features, args.segmenter_data)
        rows = []
        for kind, system in systems.items():
            rows += [row for direction in DIRECTIONS for row in judge.rows(kind, direction, system(pairs, direction), pairs)]
            merge_report(args.out, rows)
    except (FileNotFoundError, ValueError) as error:
        sys.stderr.write(f"{kind}: {error}\n")
        return 1
    print(format_table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
