"""Checkpoints: everything a stage needs to go on exactly where it stopped, replaced atomically."""

import os
from pathlib import Path

import torch


def save_checkpoint(path: Path, state: dict) -> None:
    """Write beside the target, then rename: an interruption leaves the previous checkpoint whole."""
    temporary = path.with_suffix(".partial")
    torch.save(state, temporary)
    os.replace(temporary, path)


def load_checkpoint(path: Path) -> dict:
    """FileNotFoundError says which stage has to run first."""
    if not path.exists():
        raise FileNotFoundError(f"{path.name}: not found in {path.parent.name}; run that stage first, or without --resume")
    return torch.load(path, map_location="cpu", weights_only=False)
