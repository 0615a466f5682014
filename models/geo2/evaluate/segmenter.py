"""The judge of layouts: a small segmenter of each view, trained on a split of the world that has classes, and IoU against the world's own.

Groups of the tile: road (all that is paved), building, vegetation, water. Groups of the ground view: sky, ground, building, vegetation; there
the share of each in every azimuth counts, not each pixel.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from null_island import classes as world

from ..config import GeometryConfig
from ..data.view_set import load_images, read_view_set
from ..models.lite0 import STRIDE4_CHANNELS, STRIDE8_CHANNELS, Lite0

IGNORED = 255
TILE_GROUPS = (
    (world.ROAD, world.PAVEMENT, world.PARKING, world.PATH, world.VEHICLE, world.PERSON),
    (world.BUILDING,),
    (world.GRASS, world.TREE, world.HEDGE, world.SOIL),
    (world.WATER,),
)
GROUND_GROUPS = (
    (world.SKY,),
    (world.ROAD, world.PAVEMENT, world.PARKING, world.PATH, world.GRASS, world.SOIL, world.WATER),
    (world.BUILDING,),
    (world.TREE, world.HEDGE),
)
STEPS, BATCH, LEARNING_RATE, SEED = 400, 16, 2e-3, 5


def group_map(classes: np.ndarray, groups: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """Class images to the number of each pixel's group, IGNORED where it is in none. uint8."""
    table = np.full(256, IGNORED, np.uint8)
    for number, members in enumerate(groups):
        table[list(members)] = number
    return table[classes]


class Segmenter(nn.Module):
    """Frozen CNN features at strides 4 and 8 to logits of the groups at stride 4; pixels uint8 [B, H, W, 3] in."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.cnn = Lite0().load_imagenet().eval().requires_grad_(False)
        self.layers = nn.Sequential(
            nn.Conv2d(STRIDE4_CHANNELS + STRIDE8_CHANNELS, 64, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(64, groups, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        stride4, stride8 = self.cnn.to_stride8(image.permute(0, 3, 1, 2).float() / 255)
        return self.layers(torch.cat([stride4, F.interpolate(stride8, scale_factor=2.0, mode="bilinear")], dim=1))


def train_segmenter(images: np.ndarray, labels: np.ndarray, groups: int, steps: int) -> Segmenter:
    """On uint8 images [n, H, W, 3] and group maps [n, H, W]; a fixed number of steps, fixed seed."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    model = Segmenter(groups)
    optimizer = torch.optim.Adam(model.layers.parameters(), lr=LEARNING_RATE)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / steps)
        rows = rng.integers(len(images), size=BATCH)
        target = torch.from_numpy(labels[rows][:, 2::4, 2::4]).long()
        loss = F.cross_entropy(model(torch.from_numpy(images[rows])), target, ignore_index=IGNORED)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


@torch.inference_mode()
def segment(model: Segmenter, images: list[np.ndarray]) -> np.ndarray:
    """Group numbers at stride 4, uint8 [n, H / 4, W / 4]."""
    parts = [model(torch.from_numpy(np.stack(images[i : i + BATCH]))).argmax(1).byte() for i in range(0, len(images), BATCH)]
    return torch.cat(parts).numpy()


def mean_iou(seen: np.ndarray, truth: np.ndarray, groups: int) -> float:
    """Percent, over all pixels of the set whose truth is in a group, the mean over groups that occur in the truth."""
    known = truth != IGNORED
    scores = []
    for g in range(groups):
        a, b = (seen == g) & known, (truth == g) & known
        if b.any():
            scores.append((a & b).sum() / (a | b).sum())
    return 100 * float(np.mean(scores))


def azimuth_iou(seen: np.ndarray, truth: np.ndarray, groups: int) -> float:
    """Percent; of maps [n, h, w], the share of each group in every column: sum of the smaller over sum of the larger, the mean over groups."""
    known = truth != IGNORED
    total = np.maximum(known.sum(1), 1)  # [n, w]
    scores = []
    for g in range(groups):
        a, b = ((seen == g) & known).sum(1) / total, ((truth == g) & known).sum(1) / total
        if b.any():
            scores.append(np.minimum(a, b).sum() / np.maximum(a, b).sum())
    return 100 * float(np.mean(scores))


class Layouts:
    """Both segmenters."""

    def __init__(self, tiles: Segmenter, canvases: Segmenter) -> None:
        self.tiles, self.canvases = tiles, canvases

    @classmethod
    def train(cls, folder: Path, geometry: GeometryConfig) -> "Layouts":
        """On a split built with `depth: true`. ValueError when it has no classes."""
        if not (folder / "classes").is_dir():
            raise ValueError(f"{folder.name}: expected classes/; build the split with `depth: true`")
        view_set = read_view_set(folder)
        panoramas = [q for q in view_set.queries if q.kind == "panorama"]
        tiles = np.stack(load_images(view_set, [t.image for t in view_set.tiles]))
        tile_classes = np.stack([view_set.image(f"classes/tile_{t.tile_id}.png")[..., 0] for t in view_set.tiles])
        canvases = np.stack(load_images(view_set, [q.image for q in panoramas]))
        expected = (geometry.canvas_height_px, geometry.canvas_width_px)
        if canvases.shape[1:3] != expected:
            raise ValueError(f"{folder.name}: expected panoramas of {expected[1]} x {expected[0]} px, got {canvases.shape[2]} x {canvases.shape[1]}")
        ground_classes = np.stack([view_set.image(f"classes/{q.query_id}.png")[..., 0] for q in panoramas])
        return cls(
            train_segmenter(tiles, group_map(tile_classes, TILE_GROUPS), len(TILE_GROUPS), STEPS),
            train_segmenter(canvases, group_map(ground_classes, GROUND_GROUPS), len(GROUND_GROUPS), STEPS),
        )

    def of_tiles(self, tiles: list[np.ndarray], classes: np.ndarray) -> float:
        """Mean IoU in percent of what the segmenter sees in tiles against the world's classes [n, T, T]."""
        return mean_iou(segment(self.tiles, tiles), group_map(classes, TILE_GROUPS)[:, 2::4, 2::4], len(TILE_GROUPS))

    def of_canvases(self, canvases: list[np.ndarray], classes: np.ndarray) -> float:
        """The same of canvases, by shares in every azimuth, against classes [n, H, W]."""
        return azimuth_iou(segment(self.canvases, canvases), group_map(classes, GROUND_GROUPS)[:, 2::4, 2::4], len(GROUND_GROUPS))
