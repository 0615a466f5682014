"""The contrastive training loop, shared by the embedding and its rivals: what differs between them is a `Learner`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..config import Config, to_dict
from ..workers import Worker, run_workers
from .checkpoint import load_checkpoint, save_checkpoint
from .losses import info_nce
from .sampler import LastEmbeddings, Pairs, PairSampler, Places
from .schedule import Clock, Log, set_learning_rate


@dataclass(frozen=True)
class Learned:
    """Of one batch: loss; ground and satellite [B, D], the embeddings of each pair; right, the share whose best tile is its own."""

    loss: Tensor
    ground: Tensor
    satellite: Tensor
    right: float


def match(hypotheses: Tensor, satellite: Tensor, places: Places, scale: Tensor, label_smoothing: float) -> Learned:
    """InfoNCE of hypotheses [B, K, D] against satellite [B, D]."""
    truth = places.truth.to(hypotheses.device)
    loss = info_nce(hypotheses, satellite, truth, scale, places.ignore.to(hypotheses.device), label_smoothing)
    pair = torch.arange(len(truth), device=truth.device)
    with torch.no_grad():
        best = (hypotheses @ satellite.t()).amax(1).argmax(1)
    return Learned(loss, hypotheses[pair, truth], satellite, float((best == pair).float().mean()))


class Learner(Protocol):
    """What is trained, and on what. embedding: its width."""

    pairs: Pairs
    embedding: int

    def build(self) -> nn.Module:
        """A network to train; it has `scale()`, one over the temperature."""

    def draw(self, rows: np.ndarray, rng: np.random.Generator) -> object:
        """A batch of these pairs; on another thread than `learn`."""

    def learn(self, network: nn.Module, batch: object, progress: float) -> Learned:
        """progress: of the budget, 0 to 1."""

    def validate(self, network: nn.Module) -> dict[str, float]: ...


class ExponentialMovingAverage:
    """A slowly following copy of a module's parameters, warmed up over its first steps."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.values = {name: p.detach().clone() for name, p in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in module.state_dict().items():
            self.values[name].lerp_(value, 1 - decay) if value.is_floating_point() else self.values[name].copy_(value)


def decay_groups(module: nn.Module, weight_decay: float) -> list[dict]:
    """Matrices and kernels decay; biases, norms, positions and the temperature do not."""
    decayed = [p for name, p in module.named_parameters() if p.ndim >= 2 and "position" not in name]
    others = [p for name, p in module.named_parameters() if p.ndim < 2 or "position" in name]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def is_finished(path: Path, minutes: float) -> bool:
    """Whether a checkpoint has used a budget of `minutes`."""
    return path.exists() and Clock(minutes, load_checkpoint(path)["spent"]).progress >= 1


def train_contrastive(learner: Learner, config: Config, path: Path, resume: bool) -> None:
    """Write a checkpoint (with the averaged weights as `head`) and, beside it, a log. With resume, go on from it."""
    state = load_checkpoint(path) if resume and path.exists() else None
    n = len(learner.pairs.city)
    last = LastEmbeddings(torch.zeros(n, learner.embedding).share_memory_(), torch.zeros(n, learner.embedding).share_memory_())
    if state is not None:
        last.ground.copy_(state["last_ground"])
        last.satellite.copy_(state["last_satellite"])
    run_workers(config.geomap_training.workers, _train, learner, config, last, state, path)


def _train(worker: Worker, learner: Learner, config: Config, last: LastEmbeddings, state: dict | None, path: Path) -> None:
    """The training loop of one worker. last is shared by all."""
    t, stage = config.geomap_training, path.stem
    torch.manual_seed(config.seed)
    network = learner.build().to(config.device)
    step, spent = 0, 0.0
    optimizer = torch.optim.AdamW(decay_groups(network, t.weight_decay), lr=t.learning_rate, betas=(0.9, 0.98))
    average = ExponentialMovingAverage(network, t.ema)
    if state is not None:
        network.load_state_dict(state["raw"])
        optimizer.load_state_dict(state["optimizer"])
        average.values, average.steps = {k: v.to(config.device) for k, v in state["head"].items()}, state["step"]
        step, spent = state["step"], state["spent"]
    sampler, log = PairSampler(learner.pairs, t, worker), Log(path.with_suffix(".jsonl"))
    clock = Clock(t.minutes, spent)
    progress = clock.progress

    def draw(step: int) -> tuple[np.ndarray, object]:
        rng = np.random.default_rng([config.seed, step, worker.rank])
        rows = sampler.batch(rng, last if progress >= t.mining_after else None)
        return rows, learner.draw(rows, rng)

    evaluated = clock.spent
    reader = ThreadPoolExecutor(1)
    following = reader.submit(draw, step)
    while progress < 1:
        rate = set_learning_rate(optimizer, t.learning_rate, step, t.warmup_steps, progress)
        rows, batch = following.result()
        following = reader.submit(draw, step + 1)  # while this one is learned from
        learned = learner.learn(network, batch, progress)
        optimizer.zero_grad()
        learned.loss.backward()
        progress = worker.average(network, clock.progress)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update(network)
        last.ground[rows], last.satellite[rows] = learned.ground.detach().float().cpu(), learned.satellite.detach().float().cpu()
        step += 1
        if step % 50 == 0 and worker.is_first:
            facts = {"rate": rate, "loss": learned.loss.item(), "batch_r1": learned.right, "scale": network.scale().item()}
            log.write(stage=stage, step=step, seconds=clock.spent, **facts)
        if worker.is_first and (clock.spent - evaluated > t.validation_minutes * 60 or progress >= 1):
            evaluated = clock.spent
            averaged = learner.build()
            averaged.load_state_dict({k: v.cpu() for k, v in average.values.items()})
            log.write(stage=stage, step=step, seconds=clock.spent, **learner.validate(averaged))
            saved = {"config": to_dict(config), "raw": network.state_dict(), "head": average.values, "optimizer": optimizer.state_dict()}
            saved |= {"last_ground": last.ground.half(), "last_satellite": last.satellite.half()}
            save_checkpoint(path, saved | {"step": step, "spent": clock.spent})
    reader.shutdown(cancel_futures=True)
    worker.wait()
