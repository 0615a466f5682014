"""`python -m geo2.baselines KIND --model DIR --data SPLIT --train SPLIT --out report.json [--config F --run RUN --time-budget 60m]`."""

import argparse
import sys
from pathlib import Path

from ..config import load_config
from ..data.flow_cache import build_flow_cache
from ..data.view_set import read_view_set
from ..evaluate.__main__ import FEATURES
from ..evaluate.embedder import Embedder
from ..evaluate.report import format_table, write_report
from ..evaluate.synthesis import System, build_judge, read_pairs
from ..evaluate.synthesizer import Synthesizer
from ..export import DIRECTIONS
from ..train.__main__ import minutes_of
from ..train.geoflow import load_encoder
from ..train.stages import load_geomap
from .nearest_neighbour import nearest_neighbour
from .trained import KINDS, train_rival


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m geo2.baselines", description="Train a rival of the flow where it needs training, and score it.")
    parser.add_argument("kind", choices=["nearest-neighbour", *KINDS])
    parser.add_argument("--model", type=Path, required=True, help="released model, for its embedding and its autoencoder")
    parser.add_argument("--data", type=Path, required=True, help="view set to score on, as for `geo2.evaluate synthesis`")
    parser.add_argument("--train", type=Path, required=True, help="view set to learn from")
    parser.add_argument("--out", type=Path, required=True, help="report.json to write")
    parser.add_argument("--config", type=Path, help="YAML file of the run; for a rival that is trained")
    parser.add_argument("--run", type=Path, help="run folder with gfm, geomap and rae; the rival's weights are kept there")
    parser.add_argument("--time-budget", type=minutes_of, help="minutes of training in total (default: those of geoflow)")
    parser.add_argument("--features", type=Path, default=FEATURES, help=f"file with the frozen geometry model (default {FEATURES})")
    parser.add_argument("--segmenter-data", type=Path, help="another split with classes/, to train the judge of layouts on")
    parser.add_argument("--limit", type=int, default=0, help="how many panoramas are scored, evenly spread (default: all)")
    parser.add_argument("--train-limit", type=int, default=2000, help="how many training places the nearest neighbour is looked for in")
    return parser


def _system(args: argparse.Namespace, embedder: Embedder, synthesizer: Synthesizer) -> System:
    if args.kind == "nearest-neighbour":
        return nearest_neighbour(read_pairs(read_view_set(args.train), embedder, synthesizer.size_px, args.train_limit))
    config = load_config(args.config)
    geomap, encoder = load_geomap(config, args.run), load_encoder(args.run)
    t = config.geoflow_training
    cache = build_flow_cache(config, geomap, encoder, args.train, args.run / "cache" / "flow-train", t.train_panoramas)
    minutes = t.minutes if args.time_budget is None else args.time_budget
    return train_rival(args.kind, minutes, config, encoder, cache, args.run, synthesizer)


def main(argv: list[str] | None = None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    if args.kind in KINDS and (args.config is None or args.run is None):
        parser.error(f"{args.kind}: --config and --run are needed")
    try:
        embedder, synthesizer = Embedder(args.model), Synthesizer(args.model)
        system = _system(args, embedder, synthesizer)
        view_set = read_view_set(args.data)
        pairs = read_pairs(view_set, embedder, synthesizer.size_px, args.limit)
        judge = build_judge(view_set, embedder, args.features, args.segmenter_data)
        rows = [row for direction in DIRECTIONS for row in judge.rows(args.kind, direction, system(pairs, direction), pairs)]
        write_report(args.out, rows)
    except (FileNotFoundError, ValueError) as error:
        sys.stderr.write(f"{args.kind}: {error}\n")
        return 1
    print(format_table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
