"""What the rivals' networks are trained for: the target latent in one step, and a flow from noise in one direction (as GCCDiff trains two)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..data.flow_cache import FlowCache, FlowFeatures
from ..flow.network import GeoFlow
from ..flow.path import flow_loss
from ..train.geoflow import draw_times

VALIDATION_SEED = 4


class _Validated:
    @torch.inference_mode()
    def validate(self, flow: GeoFlow, cache: FlowCache, config: Config) -> dict[str, float]:
        pairs = cache.read(np.arange(0, cache.rows, config.geoflow_training.turns))
        return {"val_loss": float(self.loss(flow, pairs, config, np.random.default_rng(VALIDATION_SEED)))}


@dataclass(frozen=True)
class Regression(_Validated):
    """The whole way in one step, half of a batch each way; time says which."""

    name: str = "regression"
    side_channels: int = 0

    def loss(self, flow: GeoFlow, pairs: FlowFeatures, config: Config, rng: np.random.Generator) -> Tensor:
        t = (draw_times(pairs.ground, rng) < 0.5).to(pairs.ground)
        condition = torch.where(t[:, None] == 1, pairs.satellite_embedding, pairs.ground_embedding)
        slope = flow(flow.path.state(pairs.ground, pairs.satellite, t), t, condition)
        return flow_loss(slope.float(), pairs.ground, pairs.satellite, flow.path)


@dataclass(frozen=True)
class FromNoise(_Validated):
    """Flow matching from noise at t = 0 to the target at t = 1, with the source latent beside the state."""

    direction: str
    side_channels: int

    @property
    def name(self) -> str:
        return f"flow-per-direction-{self.direction}"

    def loss(self, flow: GeoFlow, pairs: FlowFeatures, config: Config, rng: np.random.Generator) -> Tensor:
        source, target, condition = pairs.ground, pairs.satellite, pairs.ground_embedding
        if self.direction == "satellite_to_ground":
            source, target, condition = pairs.satellite, pairs.ground, pairs.satellite_embedding
        noise = torch.from_numpy(rng.standard_normal(target.shape, np.float32)).to(target)
        t = draw_times(target, rng)
        slope = flow(torch.cat([flow.path.state(noise, target, t), source], dim=1), t, condition)
        return flow_loss(slope.float(), noise, target, flow.path)
