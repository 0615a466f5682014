"""The rivals that are trained: `regression`, our network asked for the target latent in one step, and `flow-per-direction`, our network as a
conditional flow from noise, once for each direction, with the source latent beside the state (as GCCDiff trains two models).

Both see the same cached latents and embeddings as our flow, for as many minutes in total.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..config import Config, to_dict
from ..data.flow_cache import FlowCache
from ..evaluate.synthesis import Pairs, System
from ..evaluate.synthesizer import Synthesizer
from ..export import DIRECTIONS
from ..flow.field import ConditionedField
from ..flow.network import GeoFlow
from ..flow.path import flow_loss
from ..flow.solver import integrate
from ..models.rae import LatentEncoder
from ..train.checkpoint import load_checkpoint, save_checkpoint
from ..train.contrastive import ExponentialMovingAverage, decay_groups
from ..train.schedule import Clock, Log, set_learning_rate

KINDS = ("regression", "flow-per-direction")
STEPS = 10
NOISE_SEED = 3

Loss = Callable[[GeoFlow, Tensor, Tensor, Tensor, Tensor, torch.Generator], Tensor]


def regression_loss(network: GeoFlow, ground: Tensor, satellite: Tensor, f_g: Tensor, f_s: Tensor, generator: torch.Generator) -> Tensor:
    """Half of a batch each way; time says which."""
    t = (torch.rand(len(ground), generator=generator) < 0.5).to(ground)
    slope = network(network.path.state(ground, satellite, t), t, torch.where(t[:, None] == 1, f_s, f_g))
    return flow_loss(slope.float(), ground, satellite, network.path)


def noise_loss(direction: str) -> Loss:
    """Flow matching from noise at t = 0 to the target at t = 1."""

    def loss(network: GeoFlow, ground: Tensor, satellite: Tensor, f_g: Tensor, f_s: Tensor, generator: torch.Generator) -> Tensor:
        source, target, c = (ground, satellite, f_g) if direction == "ground_to_satellite" else (satellite, ground, f_s)
        noise = torch.randn(target.shape, generator=generator).to(target)
        t = torch.rand(len(target), generator=generator).to(target)
        slope = network(torch.cat([network.path.state(noise, target, t), source], dim=1), t, c)
        return flow_loss(slope.float(), noise, target, network.path)

    return loss


def train_network(
    name: str, network: GeoFlow, loss_of: Loss, minutes: float, config: Config, encoder: LatentEncoder, cache: FlowCache, run: Path
) -> GeoFlow:
    """The averaged weights after `minutes`, kept as NAME.pt in the run; read from there when they are there."""
    path = run / f"{name}.pt"
    if not path.exists():
        t = config.geoflow_training
        device = torch.device(config.device)
        network.to(device)
        optimizer = torch.optim.AdamW(decay_groups(network, t.weight_decay), lr=t.learning_rate, betas=(0.9, 0.98))
        average, clock, log, step = ExponentialMovingAverage(network, t.ema), Clock(minutes), Log(run / f"{name}.jsonl"), 0
        while clock.progress < 1:
            rate = set_learning_rate(optimizer, t.learning_rate, step, t.warmup_steps, clock.progress)
            rng = np.random.default_rng([config.seed, step])
            features = cache.read(np.sort(rng.integers(cache.rows, size=t.batch)))
            batch = (
                encoder.normalise(features.ground),
                encoder.normalise(features.satellite),
                features.ground_embedding,
                features.satellite_embedding,
            )
            generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
            with torch.autocast(device.type, torch.bfloat16, enabled=t.bfloat16):
                loss = loss_of(network, *(value.to(device) for value in batch), generator)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            average.update(network)
            step += 1
            if step % 25 == 0:
                log.write(stage=name, step=step, seconds=clock.spent, rate=rate, loss=loss.item())
        save_checkpoint(
            path, {"config": to_dict(config), "flow": {k: v.cpu() for k, v in average.values.items()}, "step": step, "spent": clock.spent}
        )
    network.cpu().load_state_dict(load_checkpoint(path)["flow"])
    return network.eval().requires_grad_(False)


def train_rival(kind: str, minutes: float, config: Config, encoder: LatentEncoder, cache: FlowCache, run: Path, synthesizer: Synthesizer) -> System:
    """Train what is missing, then a system that reads and writes latents with the released autoencoder."""
    torch.manual_seed(config.seed)
    if kind == "regression":
        network = train_network(kind, GeoFlow(config).init_weights(), regression_loss, minutes, config, encoder, cache, run)
        return _regressed(network, synthesizer)
    networks = {}
    for direction in DIRECTIONS:
        fresh = GeoFlow(config, side_channels=encoder.mean.shape[1]).init_weights()
        name = f"{kind}-{direction}"
        networks[direction] = train_network(name, fresh, noise_loss(direction), minutes / 2, config, encoder, cache, run)
    return _from_noise(networks, synthesizer)


def _source(pairs: Pairs, direction: str) -> tuple[np.ndarray, np.ndarray]:
    if direction == "ground_to_satellite":
        return pairs.ground, pairs.ground_embedding
    return pairs.satellite, pairs.satellite_embedding


def _regressed(network: GeoFlow, synthesizer: Synthesizer) -> System:
    @torch.inference_mode()
    def synthesize(pairs: Pairs, direction: str) -> np.ndarray:
        squares, embeddings = _source(pairs, direction)
        start, end = DIRECTIONS[direction]
        x, c = torch.from_numpy(synthesizer.encode(squares)), torch.from_numpy(embeddings)
        from_t, to_t = torch.full((len(x),), start), torch.full((len(x),), end)
        u = network.path.to_frame(x, from_t) + (end - start) * network(x, from_t, c)
        return synthesizer.decode(network.path.from_frame(u, to_t).numpy())

    return synthesize


def _from_noise(networks: dict[str, GeoFlow], synthesizer: Synthesizer) -> System:
    @torch.inference_mode()
    def synthesize(pairs: Pairs, direction: str) -> np.ndarray:
        squares, embeddings = _source(pairs, direction)
        source, network = torch.from_numpy(synthesizer.encode(squares)), networks[direction]
        field = ConditionedField(
            lambda x, t, c: network.condition(torch.cat([x, source], dim=1), t, c),
            lambda x, t, z: network.velocity(torch.cat([x, source], dim=1), t, z),
            torch.from_numpy(embeddings),
        )
        noise = torch.randn(source.shape, generator=torch.Generator().manual_seed(NOISE_SEED))
        return synthesizer.decode(integrate(field, noise, 0.0, 1.0, "heun", STEPS).numpy())

    return synthesize
