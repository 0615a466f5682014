"""What the geometry model is pretrained on: perspective views of panoramas with exact range, class and pose, and tiles with height and class."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..config import Config
from ..geometry.e2p import view_rays
from ..models.gfm import CLASSES
from .samples import NARROWEST_FOV_DEG, WIDEST_FOV_DEG
from .view_set import load_images, read_view_set

SKY_RANGE_M = 120.0
HEIGHT_OFFSET_M = 2.0
"""An orthographic frame has no range; the surface head states height above ground plus this."""
SKY = CLASSES - 1
STRIDE = 4
"""Pixels of a frame for each target."""


def signed_log(metres: Tensor) -> Tensor:
    """sign(x) * log(1 + |x|): near and far coordinates on one scale."""
    return metres.sign() * metres.abs().log1p()


def turn_by(heading_deg: float) -> np.ndarray:
    """Rotation [3, 3] about the vertical, clockwise: (right, forward, up) of a camera with that heading to (east, north, up)."""
    h = math.radians(heading_deg)
    return np.array([[math.cos(h), math.sin(h), 0], [-math.sin(h), math.cos(h), 0], [0, 0, 1]])


def rotation_of(heading_deg: float, pitch_deg: float, roll_deg: float) -> np.ndarray:
    """Camera (right, forward, up) to world (east, north, up): roll clockwise first, then pitch up, then heading, as the world has it."""
    p, r = math.radians(pitch_deg), math.radians(roll_deg)
    rolled = np.array([[math.cos(r), 0, math.sin(r)], [0, 1, 0], [-math.sin(r), 0, math.cos(r)]])
    pitched = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    return turn_by(heading_deg) @ pitched @ rolled


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """w, x, y, z with w >= 0; exact enough for rotations short of 180 degrees, where w is taken from the trace."""
    w = math.sqrt(max(0.0, 1 + rotation.trace())) / 2
    if w < 1e-6:
        axis = np.sqrt(np.maximum(0, (np.diag(rotation) + 1) / 2))
        return np.array([0.0, *axis])
    antisymmetric = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    return np.array([w, *(antisymmetric / (4 * w))])


@dataclass(frozen=True)
class Look:
    """One canvas: panorama number `who`, seen in a frame that `rotation` [3, 3] takes to the panorama's own (east, north, up of its middle), of
    which the columns within fov_deg / 2 of its middle hold data."""

    who: int
    rotation: np.ndarray
    fov_deg: float


class PretrainingData:
    """Panoramas in clusters that share place and capture, and tiles; all in memory."""

    def __init__(self, folder: Path, config: Config) -> None:
        view_set = read_view_set(folder)
        self.config = config
        with (folder / "poses.csv").open() as file:
            poses = {row["query_id"]: row for row in csv.DictReader(file)}
        panoramas = [q for q in view_set.queries if q.kind == "panorama"]
        if not panoramas or not (folder / "depth").is_dir():
            raise ValueError(f"{folder.name}: expected panoramas with depth/ and classes/; build it with `depth: true`")
        self.images = np.stack(load_images(view_set, [q.image for q in panoramas]))  # [n, H, W, 3]
        self.ranges = np.stack([_metres(folder / f"depth/{q.query_id}.png") for q in panoramas])  # [n, H, W]
        self.classes = np.stack([_classes(folder / f"classes/{q.query_id}.png") for q in panoramas])  # [n, H, W]
        rows = [poses[q.query_id] for q in panoramas]
        self.position = np.array([[float(r[k]) for k in ("x_m", "y_m", "z_m")] for r in rows])
        self.rotation = np.stack([rotation_of(*(float(r[k]) for k in ("heading_deg", "pitch_deg", "roll_deg"))) for r in rows])
        clusters: dict[tuple[str, str], list[int]] = {}
        for i, row in enumerate(rows):
            clusters.setdefault((row["city"], row["cluster"]), []).append(i)
        self.clusters = [members for members in clusters.values() if len(members) >= 2]
        held_out = max(1, len(self.clusters) // 20)
        self.train, self.held_out = self.clusters[:-held_out], self.clusters[-held_out:]
        self.tiles = np.stack(load_images(view_set, [t.image for t in view_set.tiles]))
        self.tile_heights = np.stack([_metres(folder / f"depth/tile_{t.tile_id}.png") for t in view_set.tiles])
        self.tile_classes = np.stack([_classes(folder / f"classes/tile_{t.tile_id}.png") for t in view_set.tiles])
        f = config.gfm
        self.fine = [view_rays(f.view_px, f.view_fov_deg, yaw).numpy() for yaw in f.view_yaws_deg]  # V of [v, v, 3]
        self.coarse = [view_rays(f.view_px // STRIDE, f.view_fov_deg, yaw).numpy() for yaw in f.view_yaws_deg]

    def ground(self, clusters: list[list[int]], count: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """`count` sequences of V frames, half of them one panorama's views, half two views of each of two panoramas.

        frames [B, V, 3, v, v] and valid [B, V, v, v]; at stride 4, NaN where unknown: log_range [B, V, 1, h, w] and points [B, V, 3, h, w] as
        `Geometry` has them; classes int64 [B, V, h, w], -1 where unknown; camera [B, V, 9].
        """
        V = len(self.config.gfm.view_yaws_deg)
        images, valid, log_range, classes, points, camera = [], [], [], [], [], []
        for _ in range(count):
            first, second = rng.permutation(clusters[int(rng.integers(len(clusters)))])[:2]
            if rng.random() < 0.5:
                frames = self._frames([self._look(int(first), rng)], range(V))
            else:
                frames = self._frames([self._look(int(first), rng), self._look(int(second), rng)], rng.permutation(V))
            base = None
            for look, v in frames:
                image, seen = self._sample(look, v)
                known, ranges, kind = self._targets(look, v)
                to_world = self.rotation[look.who] @ look.rotation
                pose = to_world @ turn_by(self.config.gfm.view_yaws_deg[v])
                base = base or (pose, self.position[look.who])
                world = self.coarse[v] @ to_world.T * ranges[..., None] + self.position[look.who]
                local = (world - base[1]) @ base[0]  # the first camera's right, forward, up
                relative, translation = base[0].T @ pose, base[0].T @ (self.position[look.who] - base[1])
                images.append(image)
                valid.append(seen)
                log_range.append(np.where(known, np.log(np.maximum(ranges, 0.3)), np.nan))
                classes.append(np.where(known, kind, -1))
                points.append(np.where((known & (kind != SKY))[..., None], local, np.nan))
                camera.append(np.concatenate([translation / 10, quaternion(relative), [math.radians(self.config.gfm.view_fov_deg)] * 2]))

        def shaped(values: list[np.ndarray]) -> Tensor:
            return torch.from_numpy(np.stack(values)).unflatten(0, (count, V))

        return {
            "frames": shaped(images).float(),
            "valid": shaped(valid).float(),
            "log_range": shaped(log_range).float()[:, :, None],
            "classes": shaped(classes).long(),
            "points": signed_log(shaped(points).float().permute(0, 1, 4, 2, 3)),
            "camera": shaped(camera).float(),
        }

    @staticmethod
    def _frames(looks: list[Look], views) -> list[tuple[Look, int]]:
        """The views, shared out to the looks in order."""
        views = [int(v) for v in views]
        share = max(1, len(views) // len(looks))
        return [(looks[min(i // share, len(looks) - 1)], v) for i, v in enumerate(views)]

    def _look(self, who: int, rng: np.random.Generator) -> Look:
        t = self.config.gfm_training
        tilted = rng.random() < t.tilt_share
        pitch, roll = rng.normal(0, (t.pitch_sigma_deg, t.roll_sigma_deg)) if tilted else (0.0, 0.0)
        limited = rng.random() < t.limited_fov_share
        return Look(who, rotation_of(rng.uniform(0, 360), pitch, roll), rng.uniform(NARROWEST_FOV_DEG, WIDEST_FOV_DEG) if limited else 360.0)

    def _inside(self, look: Look, rays: np.ndarray, elevation: np.ndarray) -> np.ndarray:
        g = self.config.geometry
        within = np.abs(np.arctan2(rays[..., 0], rays[..., 1])) <= math.radians(look.fov_deg / 2)
        return within & (elevation < math.radians(g.elevation_top_deg)) & (elevation > math.radians(g.elevation_bottom_deg))

    def _pixel(self, look: Look, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Column and row of the panorama (fractions, pixel centres at whole numbers) and whether there is data."""
        g = self.config.geometry
        own = rays @ look.rotation.T
        elevation = np.arcsin(np.clip(own[..., 2], -1, 1))
        x = (np.arctan2(own[..., 0], own[..., 1]) / (2 * math.pi) + 0.5) * g.canvas_width_px - 0.5
        y = (math.radians(g.elevation_top_deg) - elevation) / math.radians(g.elevation_top_deg - g.elevation_bottom_deg) * g.canvas_height_px - 0.5
        return x, y, self._inside(look, rays, elevation)

    def _sample(self, look: Look, v: int) -> tuple[np.ndarray, np.ndarray]:
        """What the view sees, float32 [3, v, v] in [0, 1] with zeros where there is no data, and where there is some [v, v]."""
        x, y, inside = self._pixel(look, self.fine[v])
        H, W = self.images.shape[1:3]
        x0, y0 = np.floor(x).astype(np.int64), np.clip(np.floor(y).astype(np.int64), 0, H - 2)
        fx, fy = (x - x0)[..., None].astype(np.float32), np.clip(y - y0, 0, 1)[..., None].astype(np.float32)
        flat = self.images[look.who].reshape(-1, 3)
        left, right = x0 % W, (x0 + 1) % W
        upper = flat[y0 * W + left] * (1 - fx) + flat[y0 * W + right] * fx
        lower = flat[(y0 + 1) * W + left] * (1 - fx) + flat[(y0 + 1) * W + right] * fx
        pixels = (upper * (1 - fy) + lower * fy) / 255 * inside[..., None]
        return pixels.transpose(2, 0, 1).astype(np.float32), inside

    def _targets(self, look: Look, v: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Whether known, range in metres and class, [h, w], of the rays through the pixels' centres."""
        x, y, inside = self._pixel(look, self.coarse[v])
        H, W = self.ranges.shape[1:]
        column, row = np.rint(x).astype(np.int64) % W, np.clip(np.rint(y).astype(np.int64), 0, H - 1)
        kind = self.classes[look.who][row, column].astype(np.int64)
        return inside, np.where(kind == SKY, SKY_RANGE_M, self.ranges[look.who][row, column].astype(np.float64)), kind

    def satellite(self, count: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Single frames [B, 1, 3, H, W], turned by multiples of 90 degrees, with log(height + 2 m) [B, 1, 1, h, w] and the shares of the classes
        [B, 1, CLASSES, h, w] at stride 4."""
        frames, heights, classes = [], [], []
        for i in rng.integers(0, len(self.tiles), count):
            k = int(rng.integers(4))
            frames.append(np.rot90(self.tiles[i], k).copy())
            heights.append(np.rot90(self.tile_heights[i], k).astype(np.float32))
            classes.append(np.rot90(self.tile_classes[i], k).astype(np.int64))
        one_hot = F.one_hot(torch.from_numpy(np.stack(classes)), CLASSES).permute(0, 3, 1, 2).float()
        height = F.avg_pool2d(torch.from_numpy(np.stack(heights))[:, None], STRIDE)
        return {
            "frames": torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float()[:, None] / 255,
            "log_range": (height + HEIGHT_OFFSET_M).log()[:, None],
            "classes": F.avg_pool2d(one_hot, STRIDE)[:, None],
        }


def _metres(path: Path) -> np.ndarray:
    return (np.asarray(Image.open(path)).astype(np.float32) / 100).astype(np.float16)


def _classes(path: Path) -> np.ndarray:
    """0 to CLASSES - 1; the sky, 255 in the file, is the last."""
    return np.minimum(np.asarray(Image.open(path)), SKY).astype(np.uint8)
