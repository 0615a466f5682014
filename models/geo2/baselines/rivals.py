"""The rivals that are trained, each for as many minutes as what it is compared with, and resumable:

regression           our network, the target latent in one step                                      minutes of `geoflow`
flow-per-direction   our network from noise, once for each direction                                 half of them each
no-joint             our flow, trained on alone for the minutes of `joint`, the embedding left alone
no-kl                stage `joint` without the consistency loss (beta = 0)
"""

import dataclasses
from pathlib import Path

import torch
from torch import Tensor

from ..config import Config
from ..evaluate.synthesis import Pairs, System
from ..export import DIRECTIONS
from ..flow.field import ConditionedField
from ..flow.network import GeoFlow
from ..flow.solver import integrate
from ..models.rae import latent_shape
from ..train.checkpoint import load_checkpoint
from ..train.flow_loop import load_flow, train_flow
from ..train.geoflow import Translation, build_flow_caches
from ..train.joint import train_joint
from .objectives import FromNoise, Regression
from .run_parts import STEPS, RunParts, load_parts

KINDS = ("regression", "flow-per-direction", "no-joint", "no-kl")
NOISE_SEED = 3


def train_rival(kind: str, config: Config, world: Path, run: Path, minutes: float | None) -> None:
    """Into the run folder, going on where it stopped. world: with train and val. minutes: in all, instead of the configuration's."""
    t, joint = config.geoflow_training, config.joint_training
    if kind == "no-kl":
        beta0 = dataclasses.replace(joint, beta=0.0, minutes=joint.minutes if minutes is None else minutes)
        train_joint(dataclasses.replace(config, joint_training=beta0), world, run, resume=True, out=run / kind)
        return
    start = None
    if kind == "no-joint":
        start = load_checkpoint(run / "geoflow.pt")["flow"]
        tuned = {name: getattr(joint, name) for name in ("learning_rate", "weight_decay", "warmup_steps", "minutes", "ema")}
        t, objectives = dataclasses.replace(t, **tuned), [Translation(name=kind)]
    else:
        objectives = [Regression()] if kind == "regression" else _from_noise(config)
    t = dataclasses.replace(t, minutes=(t.minutes if minutes is None else minutes) / len(objectives))
    caches = build_flow_caches(config, world, run)
    for objective in objectives:
        train_flow(objective, dataclasses.replace(config, geoflow_training=t), *caches, run, resume=True, start=start)


def load_rival(kind: str, config: Config, run: Path) -> System:
    """A trained one. FileNotFoundError says what has not been trained."""
    if kind == "no-kl":
        state = load_checkpoint(run / kind / "joint.pt")
        flow = GeoFlow(config)
        flow.load_state_dict(state["flow"])
        return load_parts(config, run, state["head"]).flow_system(flow.eval().requires_grad_(False))
    parts = load_parts(config, run)
    if kind == "no-joint":
        return parts.flow_system(load_flow(kind, config, run))
    if kind == "regression":
        return _regressed(load_flow(kind, config, run).to(parts.device), parts)
    flows = {o.direction: load_flow(o.name, config, run, o.side_channels).to(parts.device) for o in _from_noise(config)}
    return _noised(flows, parts)


def _from_noise(config: Config) -> list[FromNoise]:
    return [FromNoise(direction, latent_shape(config)[0]) for direction in DIRECTIONS]


def _regressed(flow: GeoFlow, parts: RunParts) -> System:
    def synthesize(pairs: Pairs, direction: str):
        start, end = DIRECTIONS[direction]

        def work(x: Tensor, c: Tensor) -> Tensor:
            from_t, to_t = torch.full_like(x[:, 0, 0, 0], start), torch.full_like(x[:, 0, 0, 0], end)
            return flow.path.from_frame(flow.path.to_frame(x, from_t) + (end - start) * flow(x, from_t, c), to_t)

        return parts.translate(pairs, direction, work)

    return synthesize


def _noised(flows: dict[str, GeoFlow], parts: RunParts) -> System:
    def synthesize(pairs: Pairs, direction: str):
        flow, generator = flows[direction], torch.Generator().manual_seed(NOISE_SEED)

        def work(source: Tensor, c: Tensor) -> Tensor:
            field = ConditionedField(
                lambda x, t, c: flow.condition(torch.cat([x, source], dim=1), t, c),
                lambda x, t, z: flow.velocity(torch.cat([x, source], dim=1), t, z),
                c,
            )
            return integrate(field, torch.randn(source.shape, generator=generator).to(source), 0.0, 1.0, "heun", STEPS)

        return parts.translate(pairs, direction, work)

    return synthesize
