"""Weights of a run in small files, from which another run can start: what a release keeps for the training that follows it."""

from pathlib import Path

import torch

from ..config import to_dict
from .checkpoint import load_checkpoint, save_checkpoint

STATISTICS = ("mean", "std", "components")
"""Of the latent, as `LatentEncoder.state` names them."""


def write_warm_start(run: Path, out: Path) -> None:
    """The geometry model and the averaged head of a run, fp16. FileNotFoundError says which stage is missing."""
    gfm, geomap = load_checkpoint(run / "gfm.pt"), load_checkpoint(run / "geomap.pt")
    config = geomap["config"] if isinstance(geomap["config"], dict) else to_dict(geomap["config"])
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"config": config, "gfm": _half(gfm["model"]), "head": _half(geomap["head"]), "steps": geomap["step"]}, out)


def start_from(file: Path, run: Path) -> None:
    """Put the geometry model into the run as its finished stage, and the head where stage `geomap` starts. FileNotFoundError, and ValueError for
    a run that has begun."""
    if not file.exists():
        raise FileNotFoundError(f"{file}: not found; name a file that `python -m geo2.train.warm_start` wrote")
    if (run / "geomap.pt").exists():
        raise ValueError(f"{run.name}: has a geomap.pt already; go on with --resume, or choose another --out")
    state = torch.load(file, map_location="cpu", weights_only=True)
    run.mkdir(parents=True, exist_ok=True)
    if not (run / "gfm.pt").exists():
        save_checkpoint(run / "gfm.pt", {"config": state["config"], "model": _float(state["gfm"]), "step": 0, "spent": 0.0})
    save_checkpoint(run / "start.pt", {"head": _float(state["head"]), "steps": state["steps"]})


def start_gfm_from(file: Path, run: Path) -> None:
    """Put the geometry model where stage `gfm` starts. FileNotFoundError, and ValueError for a run that has begun."""
    if not file.exists():
        raise FileNotFoundError(f"{file}: not found; name a file that `python -m geo2.train.warm_start` wrote")
    if (run / "gfm.pt").exists():
        raise ValueError(f"{run.name}: has a gfm.pt already; go on with --resume, or choose another --out")
    state = torch.load(file, map_location="cpu", weights_only=True)
    save_checkpoint(run / "gfm-start.pt", {"model": _float(state["gfm"])})


def write_flow_start(run: Path, rae: Path, flow: Path) -> None:
    """The autoencoder with its statistics into one file, the averaged flow into another, fp16. FileNotFoundError says which stage is missing."""
    decoder, state = load_checkpoint(run / "rae.pt"), load_checkpoint(run / "geoflow.pt")
    rae.parent.mkdir(parents=True, exist_ok=True)
    kept = {"decoder": _half(decoder["decoder"])} | {name: decoder[name] for name in STATISTICS if name in decoder}
    kept |= {"gfm": _half(decoder["gfm"])} if "gfm" in decoder else {}
    torch.save({"config": decoder["config"], **kept, "steps": decoder["step"]}, rae)
    torch.save({"config": state["config"], "flow": _half(state["flow"]), "steps": state["step"]}, flow)


def start_flow_from(file: Path, run: Path, stage: str) -> None:
    """Where `stage` is `rae`, put the autoencoder into the run as its finished stage; where it is `geoflow`, the flow where that starts.
    FileNotFoundError, and ValueError for a file of another stage or a run that has begun."""
    if not file.exists():
        raise FileNotFoundError(f"{file}: not found; name a file that `python -m geo2.train.warm_start --flow` wrote")
    if (run / f"{stage}.pt").exists():
        raise ValueError(f"{run.name}: has a {stage}.pt already; go on with --resume, or choose another --out")
    state = torch.load(file, map_location="cpu", weights_only=True)
    part = "decoder" if stage == "rae" else "flow"
    if part not in state:
        raise ValueError(f"{file.name}: holds no {part}; expected the file of stage {stage}")
    run.mkdir(parents=True, exist_ok=True)
    weights = {name: _float(state[name]) for name in (part, "gfm") if name in state}
    save_checkpoint(run / f"{stage}-start.pt", weights | {name: state[name] for name in ("config", *STATISTICS) if name in state})


def _half(weights: dict) -> dict:
    return {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}


def _float(weights: dict) -> dict:
    return {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}


def main() -> None:
    """`python -m geo2.train.warm_start RUN FILE`, and `... RUN FILE --flow FILE` for what synthesis is made of."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m geo2.train.warm_start", description="Keep a run's weights, for another run to start from.")
    parser.add_argument("run", type=Path, help="run folder with gfm.pt and geomap.pt; with --flow, with rae.pt and geoflow.pt")
    parser.add_argument("out", type=Path, help="file to write: geometry model and embedding; with --flow, the autoencoder")
    parser.add_argument("--flow", type=Path, help="file to write the flow to")
    args = parser.parse_args()
    if args.flow is None:
        write_warm_start(args.run, args.out)
    else:
        write_flow_start(args.run, args.out, args.flow)
    for file in (args.out, args.flow):
        if file is not None:
            print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
