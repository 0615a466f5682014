"""`python -m null_island build --config F --seed N --out DIR [--splits a,b] [--jobs J] [--contact-sheet]`."""

import argparse
import os
import sys
from pathlib import Path

from .build import build_world
from .config import load_config
from .contact_sheet import write_contact_sheet


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m null_island", description="Render Null Island, a procedural world with exact ground truth.")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="render the splits of a configuration as view sets")
    build.add_argument("--config", type=Path, required=True, help="YAML file, see models/configs/null_island")
    build.add_argument("--seed", type=int, required=True, help="any integer; the same seed gives the same bytes")
    build.add_argument("--out", type=Path, required=True, help="folder that receives one sub-folder a split")
    build.add_argument("--splits", default="", help="comma-separated names; all of the configuration by default")
    build.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="rendering threads (default: all cores)")
    build.add_argument("--contact-sheet", action="store_true", help="also write contact-sheet.png of some pairs of each split")
    return parser


def main(argv: list[str] | None = None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    if args.jobs < 1:
        parser.error(f"--jobs: expected at least 1, got {args.jobs}")
    try:
        config = load_config(args.config)
        names = [name for name in args.splits.split(",") if name] or [split.name for split in config.splits]
        for name in names:
            config.split(name)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    try:
        build_world(config, args.seed, args.out, names, args.jobs)
    except OSError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 1
    if args.contact_sheet:
        for name in names:
            sys.stdout.write(f"{write_contact_sheet(args.out / name)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
