"""Embeds with a torch network what `Embedder` embeds with a released model's ONNX files."""

import numpy as np
import torch
from torch import Tensor, nn

from ..config import Config, GeometryConfig

BATCH = 16


class TorchEmbedder:
    """network: `ground` (uint8 [B, H, W, 3] and [B, H, W] -> [B, K, D]) and `satellite` (uint8 [B, S, S, 3] -> [B, D]); turns_deg [K]: by which
    the canvas' middle looks clockwise from a tile's up, for each of the K vectors."""

    def __init__(self, name: str, network: nn.Module, turns_deg: np.ndarray, geometry: GeometryConfig, device: str = "cpu") -> None:
        self.name, self.turns_deg, self.geometry, self.device = name, turns_deg, geometry, device
        self.network = network.eval().to(device)

    @torch.inference_mode()
    def ground(self, canvases: list[np.ndarray], masks: list[np.ndarray]) -> np.ndarray:
        """-> float32 [n, K, D]."""
        parts = [
            self.network.ground(self._tensor(canvases[i : i + BATCH]), self._tensor(masks[i : i + BATCH])) for i in range(0, len(canvases), BATCH)
        ]
        return torch.cat(parts).float().cpu().numpy()

    @torch.inference_mode()
    def satellite(self, tiles: list[np.ndarray]) -> np.ndarray:
        """-> float32 [n, D]."""
        return torch.cat([self.network.satellite(self._tensor(tiles[i : i + BATCH])) for i in range(0, len(tiles), BATCH)]).float().cpu().numpy()

    def _tensor(self, images: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(images)).to(self.device)


class Turned(nn.Module):
    """A network that knows nothing of turns, shown the canvas at several: whole columns of 8 px, clockwise from up."""

    def __init__(self, network: nn.Module, turn_columns: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self.turn_columns = network, turn_columns

    def ground(self, image: Tensor, mask: Tensor) -> Tensor:
        """-> [B, T * K, D], turn by turn."""
        return torch.cat([self.network.ground(image.roll(8 * n, 2), mask.roll(8 * n, 2)) for n in self.turn_columns], dim=1)

    def satellite(self, image: Tensor) -> Tensor:
        return self.network.satellite(image)


def turned_embedder(name: str, network: nn.Module, config: Config) -> TorchEmbedder:
    """Of a network from pixels, with the turns that the released graph of ours has too."""
    turns = config.geomap.turn_columns
    turns_deg = np.repeat(np.array(turns) * 8 * 360 / config.geometry.canvas_width_px, len(network.offsets_m))
    return TorchEmbedder(name, Turned(network, turns), turns_deg, config.geometry, config.device)
