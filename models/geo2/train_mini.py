"""`make train-mini`: the whole recipe, world -> gfm -> geomap -> rae -> geoflow -> export -> calibration; every step goes on where it stopped."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from null_island.build import build_world
from null_island.config import load_config as load_world_config

from .calibration import calibrate
from .config import load_config
from .train.plot import plot_run

CONFIGS = {"cpu": "mini-cpu", "gpu": "mini-gpu", "tiny": "tiny"}


def _stage(arguments: list[str]) -> None:
    subprocess.run([sys.executable, "-m", *arguments], check=True)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m geo2.train_mini", description="Train geo2-mini from nothing.")
    parser.add_argument("--config", choices=CONFIGS, default="cpu", help="cpu: two cores, about four hours; gpu: one large GPU; tiny: a minute")
    parser.add_argument("--out", type=Path, help="folder for world, run and model (default run/<config>)")
    parser.add_argument("--version", default="0.1.0", help="version of the exported model")
    parser.add_argument("--joint", action="store_true", help="then fine-tune embedding and flow together (stage 3 of the method)")
    parser.add_argument("--skip-calibration", action="store_true", help="leave the default calibration (it needs the built service)")
    args = parser.parse_args(argv)
    name = CONFIGS[args.config]
    config_path = Path(f"models/configs/geo2/{name}.yaml")
    out = args.out or Path("run") / name
    config = load_config(config_path)
    world = load_world_config(Path(f"models/configs/null_island/{config.world}.yaml"))
    splits = ["pretrain", "val", "calibration_out_of_area", "train"]
    build_world(world, config.seed, out / "world", splits, os.cpu_count() or 1)
    common = ["--config", str(config_path), "--data", str(out / "world"), "--out", str(out), "--resume"]
    try:
        for stage in ("gfm", "geomap", "rae", "geoflow", *(["joint"] if args.joint else [])):
            _stage(["geo2.train", stage, *common])
            print(f"plot: {plot_run(out)}")
        model = out / "model" / args.version
        _stage(["geo2.export", str(out), "--out", str(model), "--version", args.version])
        if args.config == "tiny":
            print("calibration: left out, the tiny world has too few queries to fit anything")
        elif not args.skip_calibration:
            calibration = calibrate(model, out / "world" / "val", out / "world" / "calibration_out_of_area", out)
            print(f"calibration: {json.dumps(calibration)}")
    except (subprocess.CalledProcessError, ValueError) as error:
        sys.stderr.write(f"train_mini: {error}\n")
        return 1
    print(f"model: {model}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
