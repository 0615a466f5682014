"""`python -m geo2.train STAGE --config F --data DIR --out RUN [--resume] [--time-budget 90m]`."""

import argparse
import dataclasses
import re
import sys
from pathlib import Path

import torch

from ..config import load_config
from .geoflow import train_geoflow
from .geomap import train_geomap
from .gfm import train_gfm
from .joint import train_joint
from .rae import train_rae
from .warm_start import start_flow_from, start_from, start_gfm_from

STAGES = {"gfm": train_gfm, "geomap": train_geomap, "rae": train_rae, "geoflow": train_geoflow, "joint": train_joint}

PURPOSES = {
    "gfm": "pretrain the geometry model",
    "geomap": "train the embedding",
    "rae": "train the decoder of latents",
    "geoflow": "train the flow on frozen embeddings",
    "joint": "fine-tune embedding and flow together",
}


def minutes_of(text: str) -> float:
    """`90m`, `1.5h`, `45s` or plain minutes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([hms]?)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a duration such as 90m, 1.5h or 45s, got {text!r}")
    return float(match[1]) * {"h": 60, "m": 1, "": 1, "s": 1 / 60}[match[2]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m geo2.train", description="Train one stage of the method.")
    parser.add_argument("stage", choices=STAGES, help="; ".join(f"{name}: {what}" for name, what in PURPOSES.items()))
    parser.add_argument("--config", type=Path, required=True, help="YAML file, see models/configs/geo2")
    parser.add_argument("--data", type=Path, required=True, help="a world built by null_island")
    parser.add_argument("--out", type=Path, required=True, help="run folder: checkpoints, log")
    parser.add_argument("--resume", action="store_true", help="go on from the stage's checkpoint, when there is one")
    parser.add_argument("--init", type=Path, help="start from the weights in this file (geo2.train.warm_start), not from random ones")
    parser.add_argument("--time-budget", type=minutes_of, help="minutes of training instead of the configuration's, e.g. 90m")
    return parser


def main(argv: list[str] | None = None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        config = load_config(args.config)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    if config.threads:
        torch.set_num_threads(config.threads)
    if config.device == "cuda" and not torch.cuda.is_available():
        parser.error("device: cuda is configured, and this machine has none; use a CPU configuration")
    args.out.mkdir(parents=True, exist_ok=True)
    minutes = args.time_budget
    if minutes is not None:
        part = getattr(config, f"{args.stage}_training")
        config = dataclasses.replace(config, **{f"{args.stage}_training": dataclasses.replace(part, minutes=minutes)})
    try:
        if args.init is not None and args.stage in ("rae", "geoflow"):
            start_flow_from(args.init, args.out, args.stage)
        elif args.init is not None and args.stage == "gfm":
            start_gfm_from(args.init, args.out)
        elif args.init is not None:
            start_from(args.init, args.out)
        elif not args.resume and args.stage in ("gfm", "rae", "geoflow"):
            (args.out / f"{args.stage}-start.pt").unlink(missing_ok=True)
        elif not args.resume and args.stage == "geomap":
            (args.out / "start.pt").unlink(missing_ok=True)
        STAGES[args.stage](config, args.data, args.out, args.resume)
    except (FileNotFoundError, ValueError) as error:
        sys.stderr.write(f"{args.stage}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
