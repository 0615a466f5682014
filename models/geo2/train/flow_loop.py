"""The loop that trains a flow network on cached latents, for whatever objective: ours, and those of the rivals at equal compute."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..config import Config, to_dict
from ..data.flow_cache import FlowCache, FlowFeatures
from ..flow.network import GeoFlow
from ..workers import Worker, run_workers
from .checkpoint import load_checkpoint, save_checkpoint
from .contrastive import ExponentialMovingAverage, decay_groups
from .schedule import Clock, Log, set_learning_rate


class Objective(Protocol):
    """What a network is trained for. name: of its checkpoint NAME.pt and log NAME.jsonl. side_channels: see `GeoFlow`."""

    name: str
    side_channels: int

    def loss(self, flow: GeoFlow, pairs: FlowFeatures, config: Config, rng: np.random.Generator) -> Tensor: ...

    def validate(self, flow: GeoFlow, cache: FlowCache, config: Config) -> dict[str, float]: ...


def train_flow(
    objective: Objective, config: Config, train: FlowCache, val: FlowCache, run: Path, resume: bool, start: dict[str, Tensor] | None = None
) -> None:
    """Write NAME.pt (with the averaged weights as `flow`) into the run folder, by `geoflow_training` of the configuration. With resume, go on from
    it. start: weights to begin with instead of random ones."""
    path = run / f"{objective.name}.pt"
    state = load_checkpoint(path) if resume and path.exists() else None
    if state is not None and Clock(config.geoflow_training.minutes, state["spent"]).progress >= 1:
        print(f"{objective.name}: finished already")
        return
    run_workers(config.geoflow_training.workers, _train, objective, config, train, val, state, start, run)


def load_flow(name: str, config: Config, run: Path, side_channels: int = 0) -> GeoFlow:
    """The averaged weights of NAME.pt; frozen. FileNotFoundError."""
    flow = GeoFlow(config, side_channels)
    flow.load_state_dict(load_checkpoint(run / f"{name}.pt")["flow"])
    return flow.eval().requires_grad_(False)


def moved(pairs: FlowFeatures, device: torch.device) -> FlowFeatures:
    return FlowFeatures(**{name: value.to(device) for name, value in vars(pairs).items()})


def _train(
    worker: Worker,
    objective: Objective,
    config: Config,
    train: FlowCache,
    val: FlowCache,
    state: dict | None,
    start: dict[str, Tensor] | None,
    run: Path,
) -> None:
    t, name = config.geoflow_training, objective.name
    device = torch.device(config.device)
    torch.manual_seed(config.seed)
    flow = GeoFlow(config, objective.side_channels).init_weights()
    if start is not None:
        flow.load_state_dict(start)
    flow.to(device)
    optimizer = torch.optim.AdamW(decay_groups(flow, t.weight_decay), lr=t.learning_rate, betas=(0.9, 0.98))
    step, spent = 0, 0.0
    if state is not None:
        flow.load_state_dict(state["raw"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    average = ExponentialMovingAverage(flow, t.ema)
    if state is not None:
        average.values = {key: value.to(device) for key, value in state["flow"].items()}
        average.steps = step
    log = Log(run / f"{name}.jsonl")
    clock = Clock(t.minutes, spent)
    progress, evaluated = clock.progress, clock.spent

    def draw(step: int) -> tuple[FlowFeatures, np.random.Generator]:
        rng = np.random.default_rng([config.seed, step, worker.rank])
        return train.read(np.sort(rng.integers(train.rows, size=t.batch // worker.count))), rng

    reader = ThreadPoolExecutor(1)
    following = reader.submit(draw, step)
    losses: list[float] = []
    while progress < 1:
        rate = set_learning_rate(optimizer, t.learning_rate, step, t.warmup_steps, progress)
        pairs, rng = following.result()
        following = reader.submit(draw, step + 1)  # while this one is learned from
        with torch.autocast(device.type, torch.bfloat16, enabled=t.bfloat16):
            loss = objective.loss(flow, moved(pairs, device), config, rng)
        optimizer.zero_grad()
        loss.backward()
        progress = worker.average(flow, clock.progress)
        nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimizer.step()
        average.update(flow)
        losses.append(loss.item())
        step += 1
        if step % 25 == 0 and worker.is_first:
            log.write(stage=name, step=step, seconds=clock.spent, rate=rate, loss=float(np.mean(losses[-25:])))
        if worker.is_first and (clock.spent - evaluated > t.validation_minutes * 60 or progress >= 1):
            evaluated = clock.spent
            averaged = GeoFlow(config, objective.side_channels)
            averaged.load_state_dict({key: value.cpu() for key, value in average.values.items()})
            metrics = objective.validate(averaged.eval(), val, config)
            log.write(stage=name, step=step, seconds=clock.spent, **metrics)
            saved = {"config": to_dict(config), "raw": flow.state_dict(), "flow": average.values, "optimizer": optimizer.state_dict()}
            save_checkpoint(run / f"{name}.pt", saved | {"step": step, "spent": clock.spent, "metrics": metrics})
    reader.shutdown(cancel_futures=True)
    worker.wait()
