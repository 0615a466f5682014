"""Runs the released ONNX files of synthesis, as the service does."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..export import DIRECTIONS, onnx_session
from ..flow.field import ConditionedField
from ..flow.solver import integrate
from ..manifest import read_manifest

BATCH = 16


class Synthesizer:
    """The autoencoder and the flow of a released model's folder. ValueError for a model without synthesis."""

    def __init__(self, folder: Path) -> None:
        self.manifest = read_manifest(folder)
        if self.manifest["latent"] is None:
            raise ValueError(f"{folder.name}: this model has no synthesis; expected one with the four graphs of GeoFlow")
        graphs = self.manifest["graphs"]
        names = ("raeEncoder", "raeDecoder", "flowCondition", "flowVelocity")
        self._encoder, self._decoder, self._condition, self._velocity = (onnx_session(folder / graphs[name]["file"]) for name in names)
        self.size_px: int = self.manifest["latent"]["sizePx"]
        self.solver: str = self.manifest["latent"]["solver"]["name"]
        self.steps: int = self.manifest["latent"]["solver"]["steps"]
        self.every: int = self.manifest["latent"]["solver"]["conditionEvery"]
        self.guidance: float = self.manifest["latent"]["solver"].get("guidance", 1.0)

    def encode(self, squares: np.ndarray) -> np.ndarray:
        """uint8 [n, S, S, 3] -> latents [n, C, H, W]."""
        parts = [self._encoder.run(None, {"image": squares[i : i + BATCH]})[0] for i in range(0, len(squares), BATCH)]
        return np.concatenate(parts)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Latents [n, C, H, W] -> uint8 [n, S, S, 3]."""
        parts = [self._decoder.run(None, {"latent": latents[i : i + BATCH]})[0] for i in range(0, len(latents), BATCH)]
        return np.concatenate(parts)

    def translate(self, latents: np.ndarray, embeddings: np.ndarray, direction: str, steps: int | None = None) -> np.ndarray:
        """Latents [n, C, H, W] of one view to the other's, by fixed steps of the manifest's solver; embeddings [n, E] condition the flow."""
        start, end = DIRECTIONS[direction]
        parts = []
        for i in range(0, len(latents), BATCH):
            c = torch.from_numpy(embeddings[i : i + BATCH])
            field = ConditionedField(self._run_condition, self._run_velocity, c, self.every, self.guidance)
            x = torch.from_numpy(latents[i : i + BATCH])
            parts.append(integrate(field, x, start, end, self.solver, steps or self.steps, field.on_step).numpy())
        return np.concatenate(parts)

    def _run_condition(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        return torch.from_numpy(self._condition.run(None, {"x": x.numpy(), "t": t.numpy(), "condition": c.numpy()})[0])

    def _run_velocity(self, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        return torch.from_numpy(self._velocity.run(None, {"x": x.numpy(), "t": t.numpy(), "z": z.numpy()})[0])
