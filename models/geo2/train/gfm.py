"""Stage `gfm`: pretrains the geometry foundation model on exact range and poses of the split `pretrain`, then it stays frozen."""

import csv
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..config import Config, to_dict
from ..data.view_set import load_images, read_view_set
from ..geometry.e2p import EquirectangularToPerspective, view_rays
from ..models.gfm import GeometryFoundationModel
from .checkpoint import load_checkpoint, save_checkpoint
from .losses import logistic_nll, signed_log
from .schedule import Clock, Log, set_learning_rate

SKY_RANGE_M = 120.0
HEIGHT_OFFSET_M = 2.0
"""An orthographic frame has no range; the range head states height above ground plus this."""
CHECKPOINT_S = 120.0


def _rotation(heading_deg: float, pitch_deg: float, roll_deg: float) -> np.ndarray:
    """Camera (right, forward, up) to world (east, north, up); the world's own convention."""
    h, p, r = (math.radians(a) for a in (heading_deg, pitch_deg, roll_deg))
    turn_roll = np.array([[math.cos(r), 0, math.sin(r)], [0, 1, 0], [-math.sin(r), 0, math.cos(r)]])
    turn_pitch = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    turn_heading = np.array([[math.cos(h), math.sin(h), 0], [-math.sin(h), math.cos(h), 0], [0, 0, 1]])
    return turn_heading @ turn_pitch @ turn_roll


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    """w, x, y, z with w >= 0; exact enough for rotations short of 180 degrees, where w is taken from the trace."""
    w = math.sqrt(max(0.0, 1 + rotation.trace())) / 2
    if w < 1e-6:
        axis = np.sqrt(np.maximum(0, (np.diag(rotation) + 1) / 2))
        return np.array([0.0, *axis])
    antisymmetric = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    return np.array([w, *(antisymmetric / (4 * w))])


class PretrainingData:
    """Panoramas with range, in clusters that share place and capture, and tiles with height; all in memory."""

    def __init__(self, folder: Path, config: Config) -> None:
        view_set = read_view_set(folder)
        self.config = config
        with (folder / "poses.csv").open() as file:
            poses = {row["query_id"]: row for row in csv.DictReader(file)}
        panoramas = [q for q in view_set.queries if q.kind == "panorama"]
        if not panoramas or not (folder / "depth").is_dir():
            raise ValueError(f"{folder.name}: expected panoramas with depth/; build it with `depth: true`")
        self.images = np.stack(load_images(view_set, [q.image for q in panoramas]))  # [n, H, W, 3]
        self.ranges = np.stack([self._png(folder / f"depth/{q.query_id}.png") for q in panoramas])  # [n, H, W] metres
        rows = [poses[q.query_id] for q in panoramas]
        self.position = np.array([[float(r[k]) for k in ("x_m", "y_m", "z_m")] for r in rows])
        self.rotation = np.stack([_rotation(*(float(r[k]) for k in ("heading_deg", "pitch_deg", "roll_deg"))) for r in rows])
        clusters: dict[tuple[str, str], list[int]] = {}
        for i, row in enumerate(rows):
            clusters.setdefault((row["city"], row["cluster"]), []).append(i)
        self.clusters = [members for members in clusters.values() if len(members) >= 2]
        held_out = max(1, len(self.clusters) // 20)
        self.train, self.held_out = self.clusters[:-held_out], self.clusters[-held_out:]
        self.tiles = np.stack(load_images(view_set, [t.image for t in view_set.tiles]))
        self.heights = np.stack([self._png(folder / f"depth/tile_{t.tile_id}.png") for t in view_set.tiles])
        g, f = config.geometry, config.gfm
        self.e2p = EquirectangularToPerspective(
            g.canvas_width_px, g.canvas_height_px, g.elevation_top_deg, g.elevation_bottom_deg, f.view_yaws_deg, f.view_fov_deg, f.view_px
        )
        coarse = f.view_px // 4
        rays = torch.stack([view_rays(coarse, f.view_fov_deg, yaw) for yaw in f.view_yaws_deg])  # [V, h, w, 3]
        self.rays = rays.numpy()
        azimuth = torch.atan2(rays[..., 0], rays[..., 1])
        elevation = torch.rad2deg(torch.asin(rays[..., 2]))
        self.column = (((azimuth / (2 * math.pi) + 0.5) * g.canvas_width_px).long() % g.canvas_width_px).numpy()
        row = ((g.elevation_top_deg - elevation) / (g.elevation_top_deg - g.elevation_bottom_deg) * g.canvas_height_px).floor().long()
        self.outside = ((row < 0) | (row >= g.canvas_height_px)).numpy()
        self.row = row.clamp(0, g.canvas_height_px - 1).numpy()

    @staticmethod
    def _png(path: Path) -> np.ndarray:
        return np.asarray(Image.open(path)).astype(np.float32) / 100

    def ground(self, clusters: list[list[int]], count: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """A batch of `count` sequences of V frames: half of them one panorama's views, half two views of each of two panoramas."""
        V, W = len(self.config.gfm.view_yaws_deg), self.config.geometry.canvas_width_px
        canvases, members, frames_of = [], [], []
        for b in range(count):
            cluster = clusters[int(rng.integers(len(clusters)))]
            first, second = rng.permutation(cluster)[:2]
            split = V if rng.random() < 0.5 else V // 2
            views = rng.permutation(V) if split < V else np.arange(V)
            shifts = rng.integers(0, W, 2)
            for k, (who, shift) in enumerate(((first, shifts[0]), (second, shifts[1]))):
                canvases.append(np.roll(self.images[who], shift, axis=1))
                members.append((int(who), int(shift)))
                frames_of += [(b, 2 * b + k, int(v)) for v in (views[:split] if k == 0 else views[split:])]
        gain = rng.uniform(0.8, 1.2, (len(canvases), 1, 1, 1)).astype(np.float32)
        pixels = torch.from_numpy(np.stack(canvases)).float() / 255 * torch.from_numpy(gain)
        views = self.e2p(pixels.clamp(0, 1).permute(0, 3, 1, 2))  # [2 * count, V, 3, v, v]
        frames, log_range, points, camera = [], [], [], []
        for _, canvas, v in frames_of:
            frames.append(views[canvas, v])
        for index, (_, canvas, v) in enumerate(frames_of):
            who, shift = members[canvas]
            ranges = self.ranges[who][self.row[v], (self.column[v] - shift) % W]  # [h, w]
            seen = (ranges > 0) & ~self.outside[v]
            ranges = np.where(ranges > 0, ranges, SKY_RANGE_M)
            log_range.append(np.where(self.outside[v], np.nan, np.log(np.maximum(ranges, 0.3))))
            yaw = math.radians(self.config.gfm.view_yaws_deg[v])
            turn = 2 * math.pi * shift / W  # the rolled canvas: its azimuth a is the panorama's a - turn
            c, s = math.cos(yaw - turn), math.sin(yaw - turn)
            view_to_panorama = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
            pose = self.rotation[who] @ view_to_panorama  # view to world
            if index % V == 0:
                base_rotation, base_position = pose, self.position[who]
            unroll = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
            world = (self.rays[v] @ unroll.T) @ self.rotation[who].T * ranges[..., None] + self.position[who]
            local = (world - base_position) @ base_rotation  # first camera's right, forward, up
            points.append(np.where(seen[..., None], local, np.nan))
            relative = base_rotation.T @ pose
            translation = base_rotation.T @ (self.position[who] - base_position)
            camera.append(np.concatenate([translation / 10, _quaternion(relative), [math.radians(self.config.gfm.view_fov_deg)] * 2]))

        def shaped(values: list[np.ndarray]) -> Tensor:
            return torch.from_numpy(np.stack(values)).float().unflatten(0, (count, V))

        return {
            "frames": torch.stack(frames).unflatten(0, (count, V)),  # [B, S, 3, v, v]
            "log_range": shaped(log_range)[:, :, None],  # [B, S, 1, h, w], NaN where unknown
            "points": signed_log(shaped(points).permute(0, 1, 4, 2, 3)),  # [B, S, 3, h, w]
            "camera": shaped(camera),  # [B, S, 9]
        }

    def satellite(self, count: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Single frames [B, 1, 3, H, W], turned by multiples of 90 degrees, with log(height + 2 m) at stride 4."""
        frames, targets = [], []
        for i in rng.integers(0, len(self.tiles), count):
            k = int(rng.integers(4))
            frames.append(np.rot90(self.tiles[i], k).copy())
            heights = np.rot90(self.heights[i], k)
            h, w = heights.shape
            targets.append(heights.reshape(h // 4, 4, w // 4, 4).mean((1, 3)))
        images = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 255
        return {
            "frames": images[:, None],
            "log_range": torch.from_numpy(np.log(np.stack(targets) + HEIGHT_OFFSET_M)).float()[:, None, None],
        }


def pretraining_loss(model: GeometryFoundationModel, batch: dict[str, Tensor], config: Config) -> tuple[Tensor, dict[str, float]]:
    """Total loss and the parts to log."""
    out = model(batch["frames"])
    known = ~batch["log_range"].isnan()
    loss = logistic_nll(out.log_range, out.log_scale, batch["log_range"].nan_to_num())[known].mean()
    parts = {"range_nll": loss.item()}
    if "points" in batch:
        known = ~batch["points"].isnan()
        points = (out.points - batch["points"].nan_to_num()).abs()[known].mean()
        camera = (out.camera - batch["camera"]).abs().mean()
        parts |= {"points": points.item(), "camera": camera.item()}
        loss = loss + config.gfm_training.point_weight * points + config.gfm_training.camera_weight * camera
    return loss, parts


@torch.no_grad()
def held_out_error(model: GeometryFoundationModel, data: PretrainingData) -> dict[str, float]:
    """Median relative range error under 60 m on held-out clusters, and the mean absolute height error of tiles in metres."""
    model.eval()
    rng = np.random.default_rng(0)
    ground, tiles = data.ground(data.held_out, 24, rng), data.satellite(48, rng)
    out = model(ground["frames"])
    target = ground["log_range"]
    near = target < math.log(60)
    relative = (out.log_range - target).abs()[near].median().exp() - 1
    height = (model(tiles["frames"]).log_range.exp() - tiles["log_range"].exp()).abs().mean()
    model.train()
    return {"val_relative_range": float(relative), "val_height_m": float(height)}


def train_gfm(config: Config, data_dir: Path, run: Path, resume: bool) -> None:
    """Write gfm.pt into the run folder. With resume, go on from it; a finished stage returns at once."""
    t = config.gfm_training
    torch.manual_seed(config.seed)
    device = torch.device(config.device)
    model = GeometryFoundationModel(config.gfm).init_weights().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=t.learning_rate, weight_decay=t.weight_decay)
    path, step, spent = run / "gfm.pt", 0, 0.0
    if resume and path.exists():
        state = load_checkpoint(path)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    clock = Clock(t.minutes, spent)
    if clock.progress >= 1:
        print("gfm: finished already")
        return
    data = PretrainingData(data_dir / "pretrain", config)
    clock = Clock(t.minutes, spent)  # reading the data does not count
    log = Log(run / "gfm.jsonl")
    saved = clock.spent
    while clock.progress < 1:
        rate = set_learning_rate(optimizer, t.learning_rate, step, t.warmup_steps, clock.progress)
        rng = np.random.default_rng([config.seed, step])
        batch = data.satellite(t.batch * 2, rng) if rng.random() < t.satellite_share else data.ground(data.train, t.batch, rng)
        loss, parts = pretraining_loss(model, {k: v.to(device) for k, v in batch.items()}, config)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 50 == 0:
            log.write(stage="gfm", step=step, seconds=clock.spent, rate=rate, loss=loss.item(), **parts)
        if clock.spent - saved > CHECKPOINT_S or clock.progress >= 1:
            saved = clock.spent
            log.write(stage="gfm", step=step, seconds=clock.spent, **held_out_error(model, data))
            state = {"config": to_dict(config), "model": model.state_dict(), "optimizer": optimizer.state_dict()}
            save_checkpoint(path, state | {"step": step, "spent": clock.spent})
