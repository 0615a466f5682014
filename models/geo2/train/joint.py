"""Stage `joint`: embedding and flow fine-tuned together with L_GL + L_IG + beta * L_KL (stage 3 of the method).

L_GL is taken as in stage `geomap`, on its cached features and with its sampler; L_IG and L_KL on pairs that are drawn anew at every step, since
the embeddings they depend on move.
"""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..config import Config, to_dict
from ..data.cache import GalleryCache, PairCache, build_gallery_cache, build_pair_cache
from ..data.flow_cache import FlowCache, build_flow_cache, located_panoramas
from ..data.mosaic import build_mosaic, city_of
from ..data.pairs import SynthesisPair, draw_pairs, ground_square, to_square
from ..data.view_set import ViewSet, load_images, read_view_set
from ..flow.network import GeoFlow
from ..flow.path import flow_loss
from ..models.geomap import FrozenFeatures, GeoMapHead
from ..models.rae import LatentEncoder
from ..workers import Worker
from .checkpoint import load_checkpoint, save_checkpoint
from .contrastive import ExponentialMovingAverage, decay_groups
from .geoflow import VALIDATION_PANORAMAS, draw_conditions, draw_times, load_encoder, validate_flow
from .geomap import validate
from .losses import consistency_kl, info_nce
from .sampler import PairSampler, places_of
from .schedule import Clock, Log, set_learning_rate
from .stages import load_geomap


class PairSource:
    """Pairs of a split's panoramas with the imagery around them; the mosaics of its cities are held in memory."""

    def __init__(self, config: Config, view_set: ViewSet) -> None:
        self.config, self.view_set = config, view_set
        self.queries = located_panoramas(view_set)
        if not self.queries:
            raise ValueError(f"{view_set.folder.name}: expected panoramas with lon and lat")
        self.mosaics = {}
        for city in dict.fromkeys(city_of(q.query_id) for q in self.queries):
            tiles = [t for t in view_set.tiles if city_of(t.tile_id) == city]
            self.mosaics[city] = build_mosaic(view_set, tiles, config.geometry.tile_m, load_images(view_set, [t.image for t in tiles]))

    def draw(self, count: int, rng: np.random.Generator) -> list[SynthesisPair]:
        queries = [self.queries[i] for i in rng.integers(len(self.queries), size=count)]
        return [draw_pairs(self.view_set.image(q.image), q, self.mosaics[city_of(q.query_id)], self.config, rng, turns=1)[0] for q in queries]


@dataclasses.dataclass(frozen=True)
class JointModel:
    """What is trained (head, flow) and what is not (frozen, encoder)."""

    frozen: FrozenFeatures
    head: GeoMapHead
    encoder: LatentEncoder
    flow: GeoFlow

    @property
    def trained(self) -> nn.ModuleList:
        return nn.ModuleList([self.head, self.flow])


def retrieval_loss(model: JointModel, cache: PairCache, sampler: PairSampler, config: Config, rng: np.random.Generator) -> Tensor:
    """L_GL of one batch, as stage `geomap` takes it with groups by position."""
    t = config.geomap_training
    device = next(model.head.parameters()).device
    rows = sampler.batch(rng, None)
    crop = rng.integers(t.tiles_per_query, size=len(rows))
    places = places_of(cache.standing(rows, crop), model.head.offsets_m, t.same_place_m)
    turn = torch.from_numpy(cache.turn[rows, crop])[:, None].to(device)
    ground = cache.ground.read(rows)
    satellite = cache.satellite.read(rows * t.tiles_per_query + crop)
    ground, satellite = (type(f)(**{name: value.to(device) for name, value in vars(f).items()}) for f in (ground, satellite))
    hypotheses = model.head.ground(ground, turn)[:, 0]
    embedding = model.head.satellite(satellite)
    return info_nce(hypotheses, embedding, places.truth.to(device), model.head.scale(), places.ignore.to(device), t.label_smoothing)


def synthesis_losses(model: JointModel, pairs: list[SynthesisPair], config: Config, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """L_IG, whose gradient reaches the embedding through the condition, and L_KL of the same pairs."""
    device = next(model.head.parameters()).device
    size = config.rae.size_px

    def stacked(images: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(images)).to(device)

    with torch.no_grad():
        ground = model.frozen.ground(stacked([p.canvas for p in pairs]), stacked([p.mask for p in pairs]))
        satellite = model.frozen.satellite(stacked([p.tile for p in pairs]))
        x_g = model.encoder(stacked([ground_square(p.canvas, p.mask, size) for p in pairs]))
        x_s = model.encoder(stacked([to_square(p.tile, size) for p in pairs]))
    north_up = torch.zeros(len(pairs), 1, dtype=torch.int64, device=device)
    f_g = model.head.at_centre(model.head.ground(ground, north_up)[:, 0])
    f_s = model.head.satellite(satellite)
    condition, t = draw_conditions(f_g, f_s, config, rng), draw_times(x_g, rng)
    slope = model.flow(model.flow.path.state(x_g, x_s, t), t, condition)
    return flow_loss(slope.float(), x_g, x_s, model.flow.path), consistency_kl(f_g.float(), f_s.float(), config.joint_training.tau_kl)


def load_joint(config: Config, run: Path, state: dict | None) -> JointModel:
    """From the stages before, or from the checkpoint of this one."""
    geomap, encoder = load_geomap(config, run), load_encoder(config, run)
    flow = GeoFlow(config)
    flow.load_state_dict(load_checkpoint(run / "geoflow.pt")["flow"] if state is None else state["raw_flow"])
    if state is not None:
        geomap.head.load_state_dict(state["raw_head"])
    device = torch.device(config.device)
    return JointModel(geomap.frozen.to(device), geomap.head.train().requires_grad_(True).to(device), encoder.to(device), flow.train().to(device))


def train_joint(config: Config, data_dir: Path, run: Path, resume: bool, out: Path | None = None) -> None:
    """Write joint.pt (averaged weights `head` and `flow`) into the run folder, or into `out`, from what the stages before left. With resume, go on
    from it."""
    t = config.joint_training
    device = torch.device(config.device)
    out = out or run
    out.mkdir(parents=True, exist_ok=True)
    path = out / "joint.pt"
    state = load_checkpoint(path) if resume and path.exists() else None
    if state is not None and Clock(t.minutes, state["spent"]).progress >= 1:
        print("joint: finished already")
        return
    torch.manual_seed(config.seed)
    model = load_joint(config, run, state)
    pair_cache = build_pair_cache(config, model.frozen, data_dir / "train", run / "cache" / "train")
    gallery = build_gallery_cache(config, model.frozen, data_dir / "val", run / "cache" / "val")
    geomap = load_geomap(config, run).to(device)
    flow_cache = build_flow_cache(config, geomap, model.encoder, data_dir / "val", run / "cache" / "flow-val", VALIDATION_PANORAMAS)
    source = PairSource(config, read_view_set(data_dir / "train"))
    sampler = PairSampler(pair_cache, dataclasses.replace(config.geomap_training, batch=t.batch, workers=1), Worker())
    optimizer = torch.optim.AdamW(decay_groups(model.trained, t.weight_decay), lr=t.learning_rate, betas=(0.9, 0.98))
    averages = {name: ExponentialMovingAverage(part, t.ema) for name, part in (("head", model.head), ("flow", model.flow))}
    step, spent = 0, 0.0
    if state is not None:
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
        for name, average in averages.items():
            average.values, average.steps = {key: value.to(device) for key, value in state[name].items()}, step
    log = Log(out / "joint.jsonl")
    clock = Clock(t.minutes, spent)
    evaluated = clock.spent
    while True:
        rate = set_learning_rate(optimizer, t.learning_rate, step, t.warmup_steps, clock.progress)
        rng = np.random.default_rng([config.seed, t.seed, step])
        pairs = source.draw(t.batch, rng)
        with torch.autocast(device.type, torch.bfloat16, enabled=t.bfloat16):
            contrastive = retrieval_loss(model, pair_cache, sampler, config, rng)
            flow, consistency = synthesis_losses(model, pairs, config, rng)
        loss = contrastive + flow + t.beta * consistency
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.trained.parameters(), 1.0)
        optimizer.step()
        averages["head"].update(model.head)
        averages["flow"].update(model.flow)
        step += 1
        parts = {"l_gl": contrastive.item(), "l_ig": flow.item(), "l_kl": consistency.item()}
        log.write(stage="joint", step=step, seconds=clock.spent, rate=rate, loss=loss.item(), **parts)
        finished = clock.progress >= 1
        if finished or clock.spent - evaluated > t.validation_minutes * 60:
            evaluated = clock.spent
            metrics = validate_joint(config, averages, gallery, flow_cache)
            log.write(stage="joint", step=step, seconds=clock.spent, **metrics)
            saved = {"config": to_dict(config), "raw_head": model.head.state_dict(), "raw_flow": model.flow.state_dict()}
            saved |= {name: average.values for name, average in averages.items()} | {"optimizer": optimizer.state_dict()}
            save_checkpoint(path, saved | {"step": step, "spent": clock.spent, "metrics": metrics})
        if finished:
            return


def validate_joint(config: Config, averages: dict[str, ExponentialMovingAverage], gallery: GalleryCache, flow_cache: FlowCache) -> dict[str, float]:
    """Of the averaged weights: retrieval as in stage `geomap`; the flow as in stage `geoflow`, conditioned by the embeddings it started with."""
    head, flow = GeoMapHead(config), GeoFlow(config)
    for name, part in (("head", head), ("flow", flow)):
        part.load_state_dict({key: value.cpu() for key, value in averages[name].values.items()})
    return validate(head, gallery) | validate_flow(flow, flow_cache, config)
