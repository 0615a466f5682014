"""Stage `geoflow`: flow matching from ground to satellite on cached latents, GeoMap frozen (stage 2 of the method)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..data.flow_cache import FlowCache, FlowFeatures, build_flow_cache
from ..flow.field import ConditionedField
from ..flow.network import GeoFlow
from ..flow.path import flow_loss
from ..flow.solver import integrate
from ..models.rae import LatentEncoder, build_encoder
from .checkpoint import load_checkpoint
from .flow_loop import train_flow
from .stages import load_geomap

VALIDATION_PANORAMAS = 256
VALIDATION_STEPS = 10


def load_encoder(config: Config, run: Path) -> LatentEncoder:
    """The frozen encoder with the statistics of stage `rae`. Errors: FileNotFoundError, those of `build_encoder`."""
    return build_encoder(config, load_checkpoint(run / "rae.pt"))


def draw_conditions(ground: Tensor, satellite: Tensor, config: Config, rng: np.random.Generator) -> Tensor:
    """Of embeddings [B, E] of both views: f_g, for some f_s, and for some nothing (zeros)."""
    t = config.geoflow_training
    shares = t.satellite_condition_share, t.condition_dropout
    from_satellite, dropped = (torch.from_numpy(rng.random(len(ground)) < share)[:, None].to(ground.device) for share in shares)
    condition = torch.where(from_satellite, satellite, ground)
    return condition.masked_fill(dropped, 0.0)


def draw_times(like: Tensor, rng: np.random.Generator) -> Tensor:
    """Flow times [B], uniform."""
    return torch.from_numpy(rng.random(len(like), np.float32)).to(like)


@torch.inference_mode()
def validate_flow(flow: GeoFlow, cache: FlowCache, config: Config) -> dict[str, float]:
    """L_IG at evenly spread times, and the relative error of what ten Heun steps reach from either side, with that side's embedding."""
    flow.eval()
    rows = np.arange(0, cache.rows, config.geoflow_training.turns)
    pairs = cache.read(rows)
    ground, satellite = pairs.ground, pairs.satellite
    t = (torch.arange(len(rows)) + 0.5) / len(rows)
    slope = flow(flow.path.state(ground, satellite, t), t, pairs.ground_embedding)
    report = {"val_loss": float(flow_loss(slope, ground, satellite, flow.path))}
    sides = {"satellite": (ground, satellite, pairs.ground_embedding, 0.0), "ground": (satellite, ground, pairs.satellite_embedding, 1.0)}
    for name, (x, truth, c, start) in sides.items():
        part = slice(0, 64)
        field = ConditionedField(flow.condition, flow.velocity, c[part], guidance=config.flow.guidance)
        reached = integrate(field, x[part], start, 1 - start, "heun", VALIDATION_STEPS)
        report[f"val_error_{name}"] = float((reached - truth[part]).norm() / truth[part].norm())
    flow.train()
    return report


@dataclass(frozen=True)
class Translation:
    """L_IG: from ground to satellite along the path."""

    name: str = "geoflow"
    side_channels: int = 0

    def loss(self, flow: GeoFlow, pairs: FlowFeatures, config: Config, rng: np.random.Generator) -> Tensor:
        condition = draw_conditions(pairs.ground_embedding, pairs.satellite_embedding, config, rng)
        t = draw_times(pairs.ground, rng)
        slope = flow(flow.path.state(pairs.ground, pairs.satellite, t), t, condition)
        return flow_loss(slope.float(), pairs.ground, pairs.satellite, flow.path)

    def validate(self, flow: GeoFlow, cache: FlowCache, config: Config) -> dict[str, float]:
        return validate_flow(flow, cache, config)


def build_flow_caches(config: Config, data_dir: Path, run: Path) -> tuple[FlowCache, FlowCache]:
    """Of `train` and `val`, by the run's embedding and autoencoder. FileNotFoundError says which stage is missing."""
    device = torch.device(config.device)
    frozen = load_geomap(config, run).to(device), load_encoder(config, run).to(device)
    train = build_flow_cache(config, *frozen, data_dir / "train", run / "cache" / "flow-train", config.geoflow_training.train_panoramas)
    return train, build_flow_cache(config, *frozen, data_dir / "val", run / "cache" / "flow-val", VALIDATION_PANORAMAS)


def train_geoflow(config: Config, data_dir: Path, run: Path, resume: bool) -> None:
    """Write geoflow.pt into the run folder. With resume, go on from it."""
    start = load_checkpoint(run / "geoflow-start.pt")["flow"] if (run / "geoflow-start.pt").exists() else None
    train_flow(Translation(), config, *build_flow_caches(config, data_dir, run), run, resume, start)
