"""Trains the model of a row into its run folder, and loads what was trained."""

import dataclasses
import json
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from ..baselines.retrieval import build_rival
from ..baselines.tuned_geomap import TunedGeoMap
from ..config import Config
from ..evaluate.torch_embedder import TorchEmbedder, turned_embedder
from ..models.geomap import GeoMapHead
from ..train.checkpoint import load_checkpoint
from ..train.geomap import load_frozen, train_geomap
from ..train.gfm import train_gfm
from ..train.pixels import train_pixels
from ..train.stages import load_geomap
from .settings import Row


def with_budget(row: Row, seed: int, share: float) -> Row:
    """With another seed of weights and batches, and every stage so many times as long."""
    gfm, geomap = row.config.gfm_training, row.config.geomap_training
    config = dataclasses.replace(
        row.config,
        seed=seed,
        gfm_training=dataclasses.replace(gfm, minutes=gfm.minutes * share),
        geomap_training=dataclasses.replace(geomap, minutes=geomap.minutes * share),
    )
    return dataclasses.replace(row, config=config)


def network_of(row: Row, run: Path) -> Callable[[], nn.Module]:
    """Makes the network that a row trains from pixels; of ours, the geometry model is in the run already."""
    return lambda: build_rival(row.settings.rival, row.config, row.settings.options) if row.settings.rival else _tuned(row.config, run)


def _tuned(config: Config, run: Path) -> TunedGeoMap:
    return TunedGeoMap(load_frozen(config, run), GeoMapHead(config), config.geomap.embedding)


def train_row(row: Row, data: Path, run: Path, gfm: Path | None, resume: bool) -> None:
    """Write the checkpoints of a row. gfm: the finished geometry model that it takes, else its own is pretrained first."""
    run.mkdir(parents=True, exist_ok=True)
    if gfm is not None:
        shutil.copyfile(gfm, run / "gfm.pt")
    elif not row.settings.rival:
        train_gfm(row.config, data, run, resume)
    if row.from_pixels:
        train_pixels(row.config, network_of(row, run), data, run / "geomap.pt", resume)
        return
    train_geomap(row.config, data, run, resume)
    seconds = [json.loads(file.read_text()).get("seconds", 0.0) for file in (run / "cache").glob("train/*/*.json")]
    if seconds:
        (run / "cache-seconds.json").write_text(json.dumps(sum(seconds) / row.config.geomap_training.workers))
    shutil.rmtree(run / "cache", ignore_errors=True)


def embedder_of(row: Row, run: Path) -> TorchEmbedder:
    """Of the averaged weights that the run left. FileNotFoundError where there are none."""
    if row.from_pixels:
        network = network_of(row, run)()
        network.load_state_dict(load_checkpoint(run / "geomap.pt")["head"])
        return turned_embedder(row.name, network, row.config)
    model = load_geomap(row.config, run)
    turns_deg = torch.tensor([h.turn_deg for h in model.hypotheses]).numpy()
    return TorchEmbedder(row.name, model, turns_deg, row.config.geometry, row.config.device)


def compute_rows(row: Row, run: Path) -> list[dict]:
    """What the training took: minutes in all, those of the cached features among them, and the pairs that were learned from."""
    geomap = load_checkpoint(run / "geomap.pt")
    gfm_s = 0.0 if row.settings.rival else load_checkpoint(run / "gfm.pt")["spent"]
    cache = run / "cache-seconds.json"
    seconds = geomap["spent"] + gfm_s + (json.loads(cache.read_text()) if cache.exists() else 0.0)
    facts = {"train_minutes": round(seconds / 60, 2), "train_pairs": geomap["step"] * row.config.geomap_training.batch}
    about = {"system": row.name, "task": "bench", "split": "train", "condition": hardware(row.config)}
    return [about | {"metric": metric, "value": value, "n": 1, "ci95": [value, value]} for metric, value in facts.items()]


def hardware(config: Config) -> str:
    """What trained it: the GPU, or the processor and how many cores."""
    if config.device == "cuda":
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    cores = config.geomap_training.workers if config.geomap_training.workers > 1 else torch.get_num_threads()
    return f"{cores} cores, {names[0] if names else platform.machine()}"
