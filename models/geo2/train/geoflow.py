"""Stage `geoflow`: flow matching from ground to satellite on cached latents, GeoMap frozen (stage 2 of the method)."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..config import Config, to_dict
from ..data.flow_cache import FlowCache, build_flow_cache
from ..flow.field import ConditionedField
from ..flow.network import GeoFlow
from ..flow.path import flow_loss
from ..flow.solver import integrate
from ..models.lite0 import Lite0
from ..models.rae import LatentEncoder
from ..workers import Worker, run_workers
from .checkpoint import load_checkpoint, save_checkpoint
from .contrastive import ExponentialMovingAverage, decay_groups
from .schedule import Clock, Log, set_learning_rate
from .stages import load_geomap

VALIDATION_PANORAMAS = 256
VALIDATION_STEPS = 10


def load_encoder(run: Path) -> LatentEncoder:
    """The frozen encoder with the statistics of stage `rae`."""
    state = load_checkpoint(run / "rae.pt")
    encoder = LatentEncoder(Lite0().load_imagenet())
    encoder.mean.copy_(state["mean"])
    encoder.std.copy_(state["std"])
    return encoder.eval().requires_grad_(False)


def draw_batch(cache: FlowCache, encoder: LatentEncoder, config: Config, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Latents of both views [B, C, H, W] and the embedding that conditions them [B, E]: f_g, or for some f_s."""
    features = cache.read(np.sort(rng.integers(cache.rows, size=count)))
    from_satellite = torch.from_numpy(rng.random(count) < config.geoflow_training.satellite_condition_share)[:, None]
    condition = torch.where(from_satellite, features.satellite_embedding, features.ground_embedding)
    return encoder.normalise(features.ground), encoder.normalise(features.satellite), condition


@torch.inference_mode()
def validate_flow(flow: GeoFlow, encoder: LatentEncoder, cache: FlowCache, config: Config) -> dict[str, float]:
    """L_IG at evenly spread times, and the relative error of what ten Heun steps reach from either side, with that side's embedding."""
    flow.eval()
    rows = np.arange(0, cache.rows, config.geoflow_training.turns)
    features = cache.read(rows)
    ground, satellite = encoder.normalise(features.ground), encoder.normalise(features.satellite)
    t = (torch.arange(len(rows)) + 0.5) / len(rows)
    slope = flow(flow.path.state(ground, satellite, t), t, features.ground_embedding)
    report = {"val_loss": float(flow_loss(slope, ground, satellite, flow.path))}
    sides = {"satellite": (ground, satellite, features.ground_embedding, 0.0), "ground": (satellite, ground, features.satellite_embedding, 1.0)}
    for name, (x, truth, c, start) in sides.items():
        part = slice(0, 64)
        reached = integrate(ConditionedField(flow.condition, flow.velocity, c[part]), x[part], start, 1 - start, "heun", VALIDATION_STEPS)
        report[f"val_error_{name}"] = float((reached - truth[part]).norm() / truth[part].norm())
    flow.train()
    return report


def train_geoflow(config: Config, data_dir: Path, run: Path, resume: bool) -> None:
    """Write geoflow.pt (with the averaged weights as `flow`) into the run folder. With resume, go on from it."""
    t = config.geoflow_training
    encoder, geomap = load_encoder(run), load_geomap(config, run)
    device = torch.device(config.device)
    both = geomap.to(device), encoder.to(device)
    train = build_flow_cache(config, *both, data_dir / "train", run / "cache" / "flow-train", t.train_panoramas)
    val = build_flow_cache(config, *both, data_dir / "val", run / "cache" / "flow-val", VALIDATION_PANORAMAS)
    state = load_checkpoint(run / "geoflow.pt") if resume and (run / "geoflow.pt").exists() else None
    if state is not None and Clock(t.minutes, state["spent"]).progress >= 1:
        print("geoflow: finished already")
        return
    run_workers(t.workers, _train, config, train, val, encoder.cpu(), state, run)


def _train(worker: Worker, config: Config, train: FlowCache, val: FlowCache, encoder: LatentEncoder, state: dict | None, run: Path) -> None:
    t = config.geoflow_training
    device = torch.device(config.device)
    torch.manual_seed(config.seed)
    flow = GeoFlow(config).init_weights().to(device)
    optimizer = torch.optim.AdamW(decay_groups(flow, t.weight_decay), lr=t.learning_rate, betas=(0.9, 0.98))
    step, spent = 0, 0.0
    if state is None and (run / "geoflow-start.pt").exists():
        flow.load_state_dict(load_checkpoint(run / "geoflow-start.pt")["flow"])
    if state is not None:
        flow.load_state_dict(state["raw"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    average = ExponentialMovingAverage(flow, t.ema)
    if state is not None:
        average.values = {name: value.to(device) for name, value in state["flow"].items()}
        average.steps = step
    log = Log(run / "geoflow.jsonl")
    clock = Clock(t.minutes, spent)
    progress, evaluated = clock.progress, clock.spent

    def draw(step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rng = np.random.default_rng([config.seed, step, worker.rank])
        count = t.batch // worker.count
        return *draw_batch(train, encoder, config, count, rng), torch.from_numpy(rng.random(count, np.float32))

    reader = ThreadPoolExecutor(1)
    following = reader.submit(draw, step)
    losses: list[float] = []
    while progress < 1:
        rate = set_learning_rate(optimizer, t.learning_rate, step, t.warmup_steps, progress)
        ground, satellite, condition, times = (value.to(device) for value in following.result())
        following = reader.submit(draw, step + 1)  # while this one is learned from
        with torch.autocast(device.type, torch.bfloat16, enabled=t.bfloat16):
            slope = flow(flow.path.state(ground, satellite, times), times, condition).float()
        loss = flow_loss(slope, ground, satellite, flow.path)
        optimizer.zero_grad()
        loss.backward()
        progress = worker.average(flow, clock.progress)
        nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimizer.step()
        average.update(flow)
        losses.append(loss.item())
        step += 1
        if step % 25 == 0 and worker.is_first:
            log.write(stage="geoflow", step=step, seconds=clock.spent, rate=rate, loss=float(np.mean(losses[-25:])))
        if worker.is_first and (clock.spent - evaluated > t.validation_minutes * 60 or progress >= 1):
            evaluated = clock.spent
            averaged = GeoFlow(config)
            averaged.load_state_dict({name: value.cpu() for name, value in average.values.items()})
            metrics = validate_flow(averaged, encoder, val, config)
            log.write(stage="geoflow", step=step, seconds=clock.spent, **metrics)
            saved = {"config": to_dict(config), "raw": flow.state_dict(), "flow": average.values, "optimizer": optimizer.state_dict()}
            save_checkpoint(run / "geoflow.pt", saved | {"step": step, "spent": clock.spent, "metrics": metrics})
    reader.shutdown(cancel_futures=True)
    worker.wait()
