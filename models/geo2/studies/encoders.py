"""Which frozen features make the best latent: a decoder for each, trained for the same minutes, and its plain reconstruction."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import torch

from ..config import Config
from ..data.view_set import read_view_set
from ..evaluate.frechet import GeometryFeatures, frechet_distance
from ..evaluate.report import merge_report
from ..evaluate.synthesis import picture_rows, plain_row, resize_all
from ..models.rae import build_rae, latent_shape, to_pixels
from ..train.checkpoint import load_checkpoint
from ..train.rae import build_squares, train_rae

DEFAULT = ("cnn8", "cnn4+cnn8:40", "gfm8:40", "gfm4+gfm8:40", "gfm16:40", "gfm8+gfm16:40", "dense8:40", "dense4+dense8:40")
"""Of one size, 40 channels: the CNN's features, the geometry model's stem, its tokens, both, and those its range and classes are read from."""
BATCH = 16


def with_encoder(config: Config, spec: str) -> Config:
    """`cnn4+cnn8:40`: names of features, and to how many channels they are cut. ValueError for what is no encoder."""
    names, _, channels = spec.partition(":")
    if channels and not channels.isdecimal():
        raise ValueError(f"encoder: expected NAME+NAME:CHANNELS, got {spec!r}")
    config = dataclasses.replace(config, rae=dataclasses.replace(config.rae, encoder=tuple(names.split("+")), channels=int(channels or 0)))
    latent_shape(config)
    return config


def compare_encoders(config: Config, world: Path, run: Path, out: Path, specs: list[str], minutes: float, limit: int) -> list[dict]:
    """Rows of every encoder on `val`, also written to out/encoders.json; goes on where it stopped. run: with gfm.pt, whose geometry model also
    judges (FD-GFM). size_mb: of encoder and decoder in fp16."""
    t = dataclasses.replace(config.rae_training, minutes=minutes)
    configs = {spec: with_encoder(dataclasses.replace(config, rae_training=t), spec) for spec in specs}
    features = GeometryFeatures(config, load_checkpoint(run / "gfm.pt")["model"])
    rows: list[dict] = []
    for spec, one in configs.items():
        folder = out / spec.replace(":", "-")
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "gfm.pt").exists():
            shutil.copyfile(run / "gfm.pt", folder / "gfm.pt")
        train_rae(one, world, folder, resume=True, cache=out / "cache")
        rows += _score(f"rae {spec}", one, folder, world, out, features, limit)
        merge_report(out / "encoders.json", rows)
    return rows


@torch.inference_mode()
def _score(system: str, config: Config, folder: Path, world: Path, out: Path, features: GeometryFeatures, limit: int) -> list[dict]:
    g, split = config.geometry, read_view_set(world / "val").folder.name
    encoder, decoder = build_rae(config, load_checkpoint(folder / "rae.pt"))
    ground, satellite = build_squares(config, world / "val", out / "cache" / "rae-val")
    size_mb = sum(p.numel() for part in (encoder, decoder) for p in part.parameters()) * 2 / 1e6
    rows = []
    views = {
        "satellite_to_ground": (ground, (g.canvas_height_px, g.canvas_width_px), features.ground),
        "ground_to_satellite": (satellite, (g.tile_px, g.tile_px), features.satellite),
    }
    for direction, (squares, shape, describe) in views.items():
        wanted = squares[np.unique(np.linspace(0, len(squares) - 1, min(limit or len(squares), len(squares))).astype(int))]
        seen = [to_pixels(decoder(encoder(torch.from_numpy(wanted[i : i + BATCH])))).numpy() for i in range(0, len(wanted), BATCH)]
        made = np.concatenate(seen)
        distance = frechet_distance(*(describe(resize_all(pictures, shape)) for pictures in (made, wanted)))
        rows += picture_rows(system, split, direction, made, wanted)
        rows += [plain_row(system, split, direction, name, v, len(wanted)) for name, v in (("fd_gfm", distance), ("size_mb", size_mb))]
    return rows
