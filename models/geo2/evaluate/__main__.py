"""`python -m geo2.evaluate retrieval|synthesis --model DIR --data DIR --out report.json` and `... suite --seed N --out DIR`."""

import argparse
import sys
from pathlib import Path

from .embedder import Embedder
from .pictures import draw_pictures
from .report import format_table, write_report
from .retrieval import evaluate_split
from .suite import evaluate_suite
from .synthesis import evaluate_synthesis

FEATURES = Path("models/checkpoints/geo2-mini.pt")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m geo2.evaluate", description="Evaluate a released model's ONNX files.")
    commands = parser.add_subparsers(dest="command", required=True)
    retrieval = commands.add_parser("retrieval", help="R@k and hit rate on one view set")
    retrieval.add_argument("--model", type=Path, required=True, help="folder of a released version")
    retrieval.add_argument("--data", type=Path, required=True, help="view set with tiles.csv and queries.csv")
    retrieval.add_argument("--out", type=Path, required=True, help="report.json to write")
    synthesis = commands.add_parser("synthesis", help="both directions and the round trip on one view set")
    synthesis.add_argument("--model", type=Path, required=True, help="folder of a released version with synthesis")
    synthesis.add_argument("--data", type=Path, required=True, help="view set with tiles.csv and queries.csv; classes/ adds the layout metric")
    synthesis.add_argument("--out", type=Path, required=True, help="report.json to write")
    synthesis.add_argument("--features", type=Path, default=FEATURES, help=f"file with the frozen geometry model (default {FEATURES})")
    synthesis.add_argument("--segmenter-data", type=Path, help="another split with classes/, to train the judge of layouts on")
    synthesis.add_argument("--limit", type=int, default=0, help="how many panoramas, evenly spread (default: all)")
    pictures = commands.add_parser("pictures", help="grids of both directions beside the truth, and the round trip's plot")
    pictures.add_argument("--model", type=Path, required=True, help="folder of a released version with synthesis")
    pictures.add_argument("--data", type=Path, required=True, help="view set with tiles.csv and queries.csv")
    pictures.add_argument("--out", type=Path, required=True, help="folder that receives the pictures")
    pictures.add_argument("--train", type=Path, help="view set of other cities, to show the nearest neighbour from")
    pictures.add_argument("--train-limit", type=int, default=2000, help="how many places of it (default 2000)")
    pictures.add_argument("--config", type=Path, help="YAML file of --run")
    pictures.add_argument("--run", type=Path, help="run folder: those of its rivals are shown that geo2.baselines has trained")
    suite = commands.add_parser("suite", help="render fresh splits of Null Island, then retrieval and the service's answers on them")
    suite.add_argument("--seed", type=int, default=2026, help="seed of the splits (default 2026)")
    suite.add_argument("--out", type=Path, required=True, help="folder for the splits and report.json")
    suite.add_argument("--config", type=Path, default=Path("models/configs/null_island/evaluate.yaml"), help="which splits to render")
    suite.add_argument("--model", type=Path, help="folder of a released version (default: the one that is served)")
    return parser


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        if args.command == "pictures":
            if (args.config is None) != (args.run is None):
                raise ValueError("--config and --run go together")
            files = draw_pictures(args.model, args.data, args.out, args.train, args.train_limit, args.config, args.run)
            print("\n".join(str(file) for file in files))
            return 0
        if args.command == "suite":
            rows = evaluate_suite(args.config, args.seed, args.out, args.model)
        elif args.command == "synthesis":
            rows = evaluate_synthesis(args.model, args.data, args.features, args.segmenter_data, args.limit)
            write_report(args.out, rows)
        else:
            rows = evaluate_split(Embedder(args.model), args.data, args.data.name)
            write_report(args.out, rows)
    except (FileNotFoundError, ValueError) as error:
        sys.stderr.write(f"evaluate: {error}\n")
        return 1
    print(format_table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
