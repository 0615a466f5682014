"""Stage `gfm`: pretrains the geometry foundation model on exact range, class and poses of the split `pretrain`, then it stays frozen."""

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..config import Config, to_dict
from ..data.pretraining import PretrainingData
from ..models.gfm import GeometryFoundationModel
from .checkpoint import load_checkpoint, save_checkpoint
from .losses import logistic_nll
from .schedule import Clock, Log, set_learning_rate

CHECKPOINT_S = 120.0


def vary_colours(frames: Tensor, rng: np.random.Generator) -> Tensor:
    """Random gain, gamma and white balance, one of each sequence [B, S, 3, H, W]."""
    B = len(frames)
    gain = torch.from_numpy(rng.uniform(0.8, 1.25, (B, 1)) * rng.uniform(0.92, 1.08, (B, 3))).float()[:, None, :, None, None]
    gamma = torch.from_numpy(rng.uniform(0.8, 1.25, B)).float()[:, None, None, None, None]
    return (frames.pow(gamma) * gain).clamp(0, 1)


def pretraining_loss(model: GeometryFoundationModel, batch: dict[str, Tensor], config: Config) -> tuple[Tensor, dict[str, float]]:
    """Total loss and the parts to log."""
    out = model(batch["frames"], batch.get("valid"))
    known = ~batch["log_range"].isnan()
    loss = logistic_nll(out.surfaces.log_range, out.surfaces.log_scale, batch["log_range"].nan_to_num())[known].mean()
    kind = F.cross_entropy(out.surfaces.logits.flatten(0, 1), batch["classes"].flatten(0, 1), ignore_index=-1)
    parts = {"range_nll": loss.item(), "classes": kind.item()}
    loss = loss + config.gfm_training.class_weight * kind
    if "points" in batch:
        known = ~batch["points"].isnan()
        points = (out.points - batch["points"].nan_to_num()).abs()[known].mean()
        camera = (out.camera - batch["camera"]).abs().mean()
        parts |= {"points": points.item(), "camera": camera.item()}
        loss = loss + config.gfm_training.point_weight * points + config.gfm_training.camera_weight * camera
    return loss, parts


@torch.no_grad()
def held_out_error(model: GeometryFoundationModel, data: PretrainingData) -> dict[str, float]:
    """On held-out clusters: median relative error of range under 60 m and percent of pixels whose class is right; of tiles the mean absolute
    height error in metres, and that percent."""
    model.eval()
    rng = np.random.default_rng(0)
    ground, tiles = data.ground(data.held_out, 24, rng), data.satellite(48, rng)
    seen = model(ground["frames"], ground["valid"]).surfaces
    near = ground["log_range"] < math.log(60)
    relative = (seen.log_range - ground["log_range"]).abs()[near].median().exp() - 1
    right = (seen.logits.argmax(2) == ground["classes"])[ground["classes"] >= 0].float().mean()
    above = model(tiles["frames"]).surfaces
    height = (above.log_range.exp() - tiles["log_range"].exp()).abs().mean()
    right_above = (above.logits.argmax(2) == tiles["classes"].argmax(2)).float().mean()
    model.train()
    report = {"val_relative_range": relative, "val_class_right": 100 * right, "val_height_m": height, "val_tile_class_right": 100 * right_above}
    return {name: float(value) for name, value in report.items()}


def train_gfm(config: Config, data_dir: Path, run: Path, resume: bool) -> None:
    """Write gfm.pt into the run folder. With resume, go on from it; a finished stage returns at once."""
    t = config.gfm_training
    torch.manual_seed(config.seed)
    device = torch.device(config.device)
    model = GeometryFoundationModel(config.gfm).init_weights()
    if (run / "gfm-start.pt").exists():
        model.load_state_dict(load_checkpoint(run / "gfm-start.pt")["model"])
    model.to(device)
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
        if not path.exists():  # no minutes at all: the model as it starts
            save_checkpoint(path, {"config": to_dict(config), "model": model.state_dict(), "optimizer": {}, "step": 0, "spent": 0.0})
        return
    data = PretrainingData(data_dir / "pretrain", config)
    clock = Clock(t.minutes, spent)  # reading the data does not count
    log = Log(run / "gfm.jsonl")
    saved = clock.spent

    def draw(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([config.seed, step])
        batch = data.satellite(t.batch * 2, rng) if rng.random() < t.satellite_share else data.ground(data.train, t.batch, rng)
        return batch | {"frames": vary_colours(batch["frames"], rng)}

    reader = ThreadPoolExecutor(1)
    following = reader.submit(draw, step)
    while clock.progress < 1:
        rate = set_learning_rate(optimizer, t.learning_rate, step, t.warmup_steps, clock.progress)
        batch = following.result()
        following = reader.submit(draw, step + 1)  # while this one is learned from
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
    reader.shutdown(cancel_futures=True)
