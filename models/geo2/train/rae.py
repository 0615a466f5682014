"""Stage `rae`: the channel statistics of the frozen encoder's features, then the decoder from latents of both views back to pixels."""

import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Config, to_dict
from ..data.flow_cache import located_panoramas
from ..data.pairs import FILL, to_square
from ..data.samples import place_query
from ..data.view_set import read_view_set
from ..models.lite0 import Lite0
from ..models.rae import LatentDecoder, LatentEncoder, build_encoder
from ..workers import Worker, run_workers
from .checkpoint import load_checkpoint, save_checkpoint
from .contrastive import ExponentialMovingAverage, decay_groups
from .schedule import Clock, Log, set_learning_rate

CHUNK = 256
CROP_PX = 64
"""Side of the part of a picture that the perceptual loss looks at."""
TILES = 8192
BLANK_SHARE = 0.15


def build_squares(config: Config, folder: Path, out: Path) -> tuple[np.ndarray, np.ndarray]:
    """All panoramas, north in the middle, and up to TILES tiles of a split as squares, uint8 [n, S, S, 3], memory-mapped."""
    view_set = read_view_set(folder)
    size = config.rae.size_px
    mark = zlib.crc32(repr((config.geometry, size, TILES)).encode(), zlib.crc32((folder / "world.json").read_bytes()))
    out = out / f"{mark:08x}"
    out.mkdir(parents=True, exist_ok=True)
    panoramas = located_panoramas(view_set)
    tiles = [view_set.tiles[i] for i in np.unique(np.linspace(0, len(view_set.tiles) - 1, min(TILES, len(view_set.tiles))).astype(int))]
    work = {
        "ground": [lambda q=q: to_square(place_query(view_set.image(q.image), q, 0.0, config)[0], size) for q in panoramas],
        "satellite": [lambda t=t: to_square(view_set.image(t.image), size) for t in tiles],
    }
    for name, jobs in work.items():
        path = out / f"{name}.npy"
        if path.exists():
            continue
        partial = path.with_suffix(".partial")
        squares = np.lib.format.open_memmap(partial, "w+", np.uint8, (len(jobs), size, size, 3))
        with ThreadPoolExecutor(2) as pool:
            for i, square in enumerate(pool.map(lambda job: job(), jobs)):
                squares[i] = square
        squares.flush()
        partial.rename(path)
    return np.load(out / "ground.npy", mmap_mode="r"), np.load(out / "satellite.npy", mmap_mode="r")


def draw_squares(ground: np.ndarray, satellite: np.ndarray, count: int, rng: np.random.Generator) -> Tensor:
    """Half panoramas, rolled at random and some of them with columns blanked as a photo's are; half tiles, turned and mirrored. uint8."""
    half = count // 2
    size = ground.shape[1]
    squares = np.concatenate(
        [ground[np.sort(rng.integers(len(ground), size=half))], satellite[np.sort(rng.integers(len(satellite), size=count - half))]]
    )
    for i, square in enumerate(squares):
        if i < half:
            squares[i] = np.roll(square, rng.integers(size), axis=1)
            if rng.random() < BLANK_SHARE:
                first, width = rng.integers(size), rng.integers(size // 2, size)
                squares[i][:, (first + np.arange(width)) % size] = FILL
        else:
            turned = np.rot90(square, rng.integers(4))
            squares[i] = turned[:, ::-1] if rng.random() < 0.5 else turned
    return torch.from_numpy(squares)


@torch.no_grad()
def fresh_encoder(config: Config, squares: tuple[np.ndarray, np.ndarray], run: Path) -> LatentEncoder:
    """Frozen, with the statistics of squares (ground, satellite), and with the run's geometry model where features are its."""
    encoder = LatentEncoder(config).eval().requires_grad_(False)
    if encoder.gfm is not None:
        encoder.gfm.load_state_dict(load_checkpoint(run / "gfm.pt")["model"])
    drawn = draw_squares(*squares, 2 * config.rae_training.statistics_images, np.random.default_rng(config.seed))
    encoder.set_statistics(encoder.features(part) for part in drawn.split(CHUNK))
    return encoder


def perceptual_distance(cnn: Lite0, seen: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference of features at strides 4 and 8, each as a share of the wanted ones' mean absolute value. Images [B, 3, h, w]."""
    with torch.no_grad():
        targets = cnn.to_stride8(wanted)
    features = cnn.to_stride8(seen)
    return sum((a - b).abs().mean() / b.abs().mean() for a, b in zip(features, targets, strict=True))


@torch.inference_mode()
def validate_rae(encoder: LatentEncoder, decoder: LatentDecoder, ground: np.ndarray, satellite: np.ndarray, count: int = 64) -> dict[str, float]:
    """PSNR in dB of plain reconstruction of each view, over the mean square error of all pixels."""
    report = {}
    for name, squares in (("ground", ground), ("satellite", satellite)):
        chosen = torch.from_numpy(squares[np.linspace(0, len(squares) - 1, min(count, len(squares))).astype(int)])
        wanted = chosen.permute(0, 3, 1, 2).float() / 255
        error = (decoder(encoder(chosen)).clamp(0, 1) - wanted).square().mean()
        report[f"val_psnr_{name}"] = float(-10 * torch.log10(error))
    return report


def train_rae(config: Config, data_dir: Path, run: Path, resume: bool, cache: Path | None = None) -> None:
    """Write rae.pt into the run folder. With resume, go on from it. cache: of both splits' squares, in the run unless given."""
    t, cache = config.rae_training, cache or run / "cache"
    train = build_squares(config, data_dir / "train", cache / "rae-train")
    val = build_squares(config, data_dir / "val", cache / "rae-val")
    state = load_checkpoint(run / "rae.pt") if resume and (run / "rae.pt").exists() else None
    if state is not None and Clock(t.minutes, state["spent"]).progress >= 1:
        print("rae: finished already")
        return
    run_workers(t.workers, _train, config, train, val, state, run)


def _train(
    worker: Worker,
    config: Config,
    train: tuple[np.ndarray, np.ndarray],
    val: tuple[np.ndarray, np.ndarray],
    state: dict | None,
    run: Path,
) -> None:
    t = config.rae_training
    device = torch.device(config.device)
    torch.manual_seed(config.seed)
    decoder = LatentDecoder(config).to(device)
    optimizer = torch.optim.AdamW(decay_groups(decoder, t.weight_decay), lr=t.learning_rate, betas=(0.9, 0.98))
    path, step, spent = run / "rae.pt", 0, 0.0
    start = load_checkpoint(run / "rae-start.pt") if state is None and (run / "rae-start.pt").exists() else None
    if start is not None:
        encoder = build_encoder(config, start)
        decoder.load_state_dict(start["decoder"])
    elif state is None:
        encoder = fresh_encoder(config, train, run)
    else:
        encoder = build_encoder(config, state)
        decoder.load_state_dict(state["raw"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    average = ExponentialMovingAverage(decoder, t.ema)
    if state is not None:
        average.values = {name: value.to(device) for name, value in state["decoder"].items()}
        average.steps = step
    critic = Lite0().load_imagenet().eval().requires_grad_(False).to(device)
    encoder.to(device)
    log = Log(run / "rae.jsonl")
    clock = Clock(t.minutes, spent)
    progress, evaluated, metrics = clock.progress, clock.spent, {}

    def save() -> None:
        weights = {"raw": decoder.state_dict(), "decoder": average.values} | encoder.state()
        run_state = {"config": to_dict(config), "optimizer": optimizer.state_dict(), "step": step, "spent": clock.spent, "metrics": metrics}
        save_checkpoint(path, weights | run_state)

    if worker.is_first and state is None:
        save()  # the statistics are all that the flow needs
    while progress < 1:
        rate = set_learning_rate(optimizer, t.learning_rate, step, t.warmup_steps, progress)
        rng = np.random.default_rng([config.seed, step, worker.rank])
        squares = draw_squares(*train, t.batch // worker.count, rng).to(device)
        wanted = squares.permute(0, 3, 1, 2).float() / 255
        top, left = (8 * int(v) for v in rng.integers(0, (wanted.shape[-1] - CROP_PX) // 8 + 1, 2))
        part = (slice(None), slice(None), slice(top, top + CROP_PX), slice(left, left + CROP_PX))
        with torch.autocast(device.type, torch.bfloat16, enabled=t.bfloat16):
            latent = encoder(squares)
            noise = t.latent_noise * torch.rand(len(latent), 1, 1, 1, device=device) * torch.randn_like(latent)
            seen = decoder(latent + noise).float()
            perceptual = perceptual_distance(critic, seen[part], wanted[part])
        pixels = F.l1_loss(seen, wanted)
        loss = pixels + t.perceptual_weight * perceptual.float()
        optimizer.zero_grad()
        loss.backward()
        progress = worker.average(decoder, clock.progress)
        nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        average.update(decoder)
        step += 1
        if step % 25 == 0 and worker.is_first:
            log.write(stage="rae", step=step, seconds=clock.spent, rate=rate, pixels=pixels.item(), perceptual=perceptual.item())
        if worker.is_first and (clock.spent - evaluated > t.validation_minutes * 60 or progress >= 1):
            evaluated = clock.spent
            averaged = LatentDecoder(config)
            averaged.load_state_dict({name: value.cpu() for name, value in average.values.items()})
            metrics = validate_rae(encoder.cpu(), averaged, *val)
            encoder.to(device)
            log.write(stage="rae", step=step, seconds=clock.spent, **metrics)
            save()
    worker.wait()
