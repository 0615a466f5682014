"""The parts of a run that its rivals share with our flow: embedding, autoencoder, device."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..evaluate.embedder import TrainedEmbedder
from ..evaluate.synthesis import Pairs, System, whole
from ..export import DIRECTIONS
from ..flow.field import ConditionedField
from ..flow.network import GeoFlow
from ..flow.solver import integrate
from ..models.rae import LatentDecoder, LatentEncoder, build_rae, to_pixels
from ..train.checkpoint import load_checkpoint
from ..train.stages import load_geomap

BATCH = 16
STEPS = 10


@dataclass(frozen=True)
class RunParts:
    """All frozen, on the configuration's device."""

    config: Config
    embedder: TrainedEmbedder
    encoder: LatentEncoder
    decoder: LatentDecoder

    @property
    def device(self) -> torch.device:
        return torch.device(self.config.device)

    @torch.inference_mode()
    def translate(self, pairs: Pairs, direction: str, work) -> np.ndarray:
        """Squares of the target view: `work` turns source latents [B, C, H, W] and conditions [B, E] into target latents."""
        forth = direction == "ground_to_satellite"
        squares = pairs.ground if forth else pairs.satellite
        canvases, tiles = list(pairs.canvases), list(pairs.tiles)
        embeddings = self.embedder.ground_at_centre(canvases, whole(canvases)) if forth else self.embedder.satellite(tiles)
        made = []
        for i in range(0, len(pairs), BATCH):
            x = self.encoder(torch.from_numpy(squares[i : i + BATCH]).to(self.device))
            end = work(x, torch.from_numpy(embeddings[i : i + BATCH]).to(self.device))
            made.append(to_pixels(self.decoder(end)).cpu().numpy())
        return np.concatenate(made)

    def flow_system(self, flow: GeoFlow) -> System:
        """One reversible flow, both ways, as the released one goes."""
        flow.to(self.device)

        def synthesize(pairs: Pairs, direction: str) -> np.ndarray:
            def work(x: Tensor, c: Tensor) -> Tensor:
                field = ConditionedField(flow.condition, flow.velocity, c, guidance=self.config.flow.guidance)
                return integrate(field, x, *DIRECTIONS[direction], "heun", STEPS)

            return self.translate(pairs, direction, work)

        return synthesize


def load_parts(config: Config, run: Path, head: dict | None = None) -> RunParts:
    """head: weights of the embedding instead of those of stage `geomap`. Errors: FileNotFoundError, those of `build_encoder`."""
    geomap = load_geomap(config, run)
    if head is not None:
        geomap.head.load_state_dict(head)
    encoder, decoder = build_rae(config, load_checkpoint(run / "rae.pt"))
    device = torch.device(config.device)
    return RunParts(config, TrainedEmbedder(geomap.to(device)), encoder.to(device), decoder.to(device))
