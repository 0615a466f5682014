"""`python -m geo2.studies encoders|joint --config F --world WORLD --run RUN --out DIR`; the same command again goes on where it stopped."""

import argparse
import sys
from pathlib import Path

from ..config import load_config
from ..evaluate.report import format_table
from ..train.__main__ import minutes_of
from .encoders import DEFAULT, compare_encoders
from .joint import Grid, markdown, study_joint


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m geo2.studies", description="Measure what a choice brings.")
    commands = parser.add_subparsers(dest="command", required=True)
    encoders = commands.add_parser("encoders", help="a decoder on each encoder's latents, and its plain reconstruction of val")
    joint = commands.add_parser("joint", help="retrieval and synthesis before and after joint training, over beta, tau_kl and seeds")
    for command, stages in ((encoders, "gfm"), (joint, "gfm, geomap, rae and geoflow")):
        command.add_argument("--config", type=Path, required=True, help="YAML file of the run")
        command.add_argument("--world", type=Path, required=True, help="world with train and val")
        command.add_argument("--run", type=Path, required=True, help=f"run folder with {stages}")
        command.add_argument("--out", type=Path, required=True, help="folder for checkpoints, rows and the table")
        command.add_argument("--minutes", type=minutes_of, required=True, help="of training, each")
        command.add_argument("--limit", type=int, default=400, help="how many pictures of a view are scored, 0 for all (default 400)")
    encoders.add_argument("--encoder", action="append", help=f"NAME+NAME:CHANNELS, may be repeated (default {' '.join(DEFAULT)})")
    joint.add_argument("--data", type=Path, required=True, help="split to score on, of cities that no training saw; classes/ adds the layout metric")
    joint.add_argument("--segmenter-data", type=Path, help="another split with classes/, to train the judge of layouts on")
    joint.add_argument("--beta", type=float, nargs="+", default=[0.0, 0.01, 0.1, 1.0], help="0 is without the consistency loss")
    joint.add_argument("--tau", type=float, nargs="+", default=[0.01, 0.1, 1.0], help="temperatures of the distributions that it compares")
    joint.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    return parser


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        config = load_config(args.config)
        if args.command == "encoders":
            specs = args.encoder or list(DEFAULT)
            print(format_table(compare_encoders(config, args.world, args.run, args.out, specs, args.minutes, args.limit)))
            return 0
        if min(args.beta) < 0 or min(args.tau) <= 0:
            raise ValueError("--beta: expected 0 or more, and --tau more than 0")
        grid = Grid(tuple(args.beta), tuple(args.tau), tuple(args.seeds))
        print(markdown(study_joint(config, args.world, args.run, args.out, grid, args.minutes, args.data, args.segmenter_data, args.limit)))
    except (FileNotFoundError, ValueError) as error:
        sys.stderr.write(f"studies: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
