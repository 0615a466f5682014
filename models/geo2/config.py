"""Configuration of the method and of every training stage: frozen dataclasses from YAML, an unknown key is an error."""

import dataclasses
import typing
from dataclasses import dataclass, field
from pathlib import Path

import yaml


@dataclass(frozen=True)
class GeometryConfig:
    """Sizes of the inputs: canvas in pixels and degrees of elevation, tile in pixels and metres."""

    canvas_width_px: int = 384
    canvas_height_px: int = 96
    elevation_top_deg: float = 45.0
    elevation_bottom_deg: float = -45.0
    tile_px: int = 128
    tile_m: float = 70.0


@dataclass(frozen=True)
class GfmConfig:
    """The geometry foundation model. view_yaws_deg: headings of the E2P views; patch is the token's side in pixels."""

    view_px: int = 96
    view_fov_deg: float = 90.0
    view_yaws_deg: tuple[float, ...] = (225.0, 315.0, 45.0, 135.0)
    patch: int = 16
    width: int = 128
    depth: int = 4
    heads: int = 4
    registers: int = 4


@dataclass(frozen=True)
class GeoMapConfig:
    """The embedding. pooling: `geometric` lifts tokens into the metric grid, `mean` is the paper's pooling of tokens.

    windows: hypotheses of the tile's centre along each axis, two cells of the grid apart.
    turn_columns: hypotheses of the heading that the released graph gives, in columns of 360 / (canvas width / 8) degrees.
    ground_pass and tokens: how images pass through the geometry model and how its tokens meet the CNN's; the method is the default, the others
    are ablations.
    """

    width: int = 128
    heads: int = 4
    value_channels: int = 64
    bev_channels: int = 96
    bev_blocks: int = 2
    grid_cells: int = 16
    range_bins: int = 16
    range_min_m: float = 2.0
    range_max_m: float = 60.0
    slots: int = 16
    windows: int = 4
    turn_columns: tuple[int, ...] = (0, -2, 2)
    embedding: int = 256
    pooling: str = "geometric"
    ground_pass: str = "multi_view"
    tokens: str = "cross_attention"

    def __post_init__(self) -> None:
        _expect(self.pooling, "pooling", "geometric", "mean")
        _expect(self.ground_pass, "ground_pass", "multi_view", "single_views", "panorama", "both_views")
        _expect(self.tokens, "tokens", "cross_attention", "concatenation", "none")


def _expect(value: str, name: str, *known: str) -> None:
    if value not in known:
        raise ValueError(f"{name}: expected {', '.join(known[:-1])} or {known[-1]}, got {value!r}")


RAE_FEATURES = ("cnn4", "cnn8", "gfm4", "gfm8", "gfm16", "dense4", "dense8")
"""What the latent can be made of: of the pretrained CNN, of the geometry model's stem and tokens, of its surface head; with their stride."""


@dataclass(frozen=True)
class RaeConfig:
    """The representation autoencoder. size_px: side of the square that both views are resized to; widths and blocks: of the decoder at strides
    8, 4, 2.

    encoder: which frozen features the latent is made of, side by side at stride 8 (see `RAE_FEATURES`).
    channels: to which their principal components are cut, 0 for none: the features as they are.
    """

    size_px: int = 128
    encoder: tuple[str, ...] = ("cnn8",)
    channels: int = 0
    widths: tuple[int, ...] = (256, 128, 64)
    blocks: int = 2

    def __post_init__(self) -> None:
        unknown = [name for name in self.encoder if name not in RAE_FEATURES]
        if unknown or not self.encoder or len(set(self.encoder)) < len(self.encoder):
            raise ValueError(f"encoder: expected a list of different ones of {', '.join(RAE_FEATURES)}, got {list(self.encoder)}")


@dataclass(frozen=True)
class FlowConfig:
    """The flow network: a condition encoder of `depth` blocks on patches of the latent, and a wide, shallow velocity head.

    guidance: how far the released flow goes from the velocity without a condition towards and past that with one; 1 is the latter alone.
    """

    patch: int = 2
    width: int = 256
    depth: int = 6
    heads: int = 8
    head_width: int = 320
    head_depth: int = 2
    guidance: float = 1.0


@dataclass(frozen=True)
class GfmTraining:
    """Pretraining on exact range, class and poses. minutes bounds the stage; the schedule ends there.

    tilt_share: part of the panoramas that are looked at by a camera that is not level, with pitch_sigma_deg and roll_sigma_deg, as a photo is.
    limited_fov_share: part that shows only a random field of view.
    """

    batch: int = 8
    frames: int = 4
    minutes: float = 14.0
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup_steps: int = 100
    satellite_share: float = 0.3
    class_weight: float = 0.5
    point_weight: float = 0.2
    camera_weight: float = 0.2
    tilt_share: float = 0.5
    pitch_sigma_deg: float = 5.0
    roll_sigma_deg: float = 2.5
    limited_fov_share: float = 0.3


@dataclass(frozen=True)
class GeoMapTraining:
    """Contrastive training (stage 1 of the method: CNN and GFM frozen, their features cached).

    tiles_per_query: crops of the imagery around each query that are cached, each with its own turn, centre and colours.
    limited_fov_share: part of the panoramas that keep only a random field of view.
    heading_sigma_deg: error of the stated heading that training adds; heading_uniform_share of the samples have one within
    +- heading_uniform_deg instead, as between two hypotheses of an unknown heading.
    train_cities: how many cities of the training split are cached and used, 0 for all.
    workers: processes that share a batch, each with one thread and its own part of the cities; small operations gain little from
    threads within. 1 on a GPU.
    cities_per_batch: a batch comes from so many cities, since negatives of one city are the hard ones.
    photo_share: part of the samples that are photos, whatever their part of the queries is; 0 draws all queries alike. Photos see little, and
    need more of the training than panoramas do.
    neighbour_share: part of a batch drawn as groups of `group` near samples: by position until `mining_after` of the budget, then by
    similarity of their last embeddings.
    exclusion_m: no two queries of a group are nearer than this.
    same_place_m: a hypothesis whose tile would be centred nearer than this to another tile is no negative of it.
    """

    batch: int = 128
    workers: int = 1
    minutes: float = 45.0
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup_steps: int = 200
    train_cities: int = 0
    tiles_per_query: int = 2
    limited_fov_share: float = 0.25
    heading_sigma_deg: float = 3.0
    heading_uniform_share: float = 0.5
    heading_uniform_deg: float = 9.0
    cities_per_batch: int = 2
    photo_share: float = 0.0
    neighbour_share: float = 0.5
    group: int = 4
    mining_after: float = 0.25
    label_smoothing: float = 0.05
    ema: float = 0.998
    exclusion_m: float = 28.0
    same_place_m: float = 10.0
    validation_minutes: float = 8.0

    def __post_init__(self) -> None:
        if self.workers < 1 or self.batch % self.workers or self.cities_per_batch % self.workers:
            raise ValueError(
                f"workers: expected a positive divisor of batch = {self.batch} and cities_per_batch = {self.cities_per_batch}, got {self.workers}"
            )


@dataclass(frozen=True)
class RaeTraining:
    """Training of the decoder; the encoder is frozen.

    statistics_images: of each view, for the channel statistics of the latent.
    latent_noise: standard deviation, up to which noise is added to latents, since the flow's are not exact either.
    perceptual_weight: of the distance in the frozen CNN's features, beside the absolute error of pixels.
    bfloat16: whether products are computed so (half the time or less where the processor can).
    """

    batch: int = 32
    workers: int = 1
    minutes: float = 15.0
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_steps: int = 100
    statistics_images: int = 1024
    latent_noise: float = 0.2
    perceptual_weight: float = 0.3
    ema: float = 0.998
    bfloat16: bool = True
    validation_minutes: float = 4.0


@dataclass(frozen=True)
class GeoFlowTraining:
    """Flow matching on cached latents (stage 2 of the method: GeoMap frozen).

    turns: of each panorama with the imagery around it, that are cached. offset_m: how far off the camera the imagery is centred, at most, in
    each axis. limited_fov_share: part of the panoramas that keep only a random field of view, as a photo does.
    satellite_condition_share: part of the samples that see f_s instead of f_g, since the way back is integrated with f_s.
    condition_dropout: part of the samples whose condition is nothing (zeros), so that the flow can be guided.
    train_panoramas: how many are used, 0 for all.
    """

    batch: int = 128
    workers: int = 1
    minutes: float = 45.0
    learning_rate: float = 8e-4
    weight_decay: float = 0.01
    warmup_steps: int = 200
    turns: int = 4
    offset_m: float = 2.0
    limited_fov_share: float = 0.15
    satellite_condition_share: float = 0.5
    condition_dropout: float = 0.0
    train_panoramas: int = 0
    ema: float = 0.999
    bfloat16: bool = True
    validation_minutes: float = 5.0


@dataclass(frozen=True)
class JointTraining:
    """Fine-tuning of embedding and flow together: L_GL + L_IG + beta * L_KL (stage 3 of the method).

    tau_kl: temperature of the softmax that makes distributions of embeddings, on which L_KL is taken.
    seed: of the order of samples, apart from the run's own, on which caches depend.
    """

    batch: int = 64
    workers: int = 1
    minutes: float = 20.0
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    warmup_steps: int = 50
    beta: float = 0.1
    tau_kl: float = 0.1
    seed: int = 0
    ema: float = 0.998
    bfloat16: bool = True
    validation_minutes: float = 5.0


@dataclass(frozen=True)
class Config:
    """Everything one training run is made from."""

    name: str = "geo2-mini"
    world: str = "mini-cpu"
    seed: int = 1
    threads: int = 0
    device: str = "cpu"
    geometry: GeometryConfig = field(default_factory=GeometryConfig)
    gfm: GfmConfig = field(default_factory=GfmConfig)
    geomap: GeoMapConfig = field(default_factory=GeoMapConfig)
    rae: RaeConfig = field(default_factory=RaeConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    gfm_training: GfmTraining = field(default_factory=GfmTraining)
    geomap_training: GeoMapTraining = field(default_factory=GeoMapTraining)
    rae_training: RaeTraining = field(default_factory=RaeTraining)
    geoflow_training: GeoFlowTraining = field(default_factory=GeoFlowTraining)
    joint_training: JointTraining = field(default_factory=JointTraining)

    def __post_init__(self) -> None:
        if self.flow.guidance != 1 and self.geoflow_training.condition_dropout == 0:
            raise ValueError(f"guidance: expected 1 for a flow that was trained with condition_dropout 0, got {self.flow.guidance}")


def read_dataclass(cls: type, values: object, where: str) -> object:
    """A frozen dataclass from plain values. ValueError names an unknown key or a value of the wrong kind."""
    if not isinstance(values, dict):
        raise ValueError(f"{where}: expected a mapping, got {type(values).__name__}")
    kinds = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(kinds))
    if unknown:
        raise ValueError(f"{where}: unknown key {', '.join(unknown)}; known are {', '.join(sorted(kinds))}")
    read = {}
    for key, value in values.items():
        kind = kinds[key]
        if dataclasses.is_dataclass(kind):
            value = read_dataclass(kind, value, f"{where}.{key}")
        elif typing.get_origin(kind) is tuple:
            if not isinstance(value, list | tuple):
                raise ValueError(f"{where}.{key}: expected a list, got {value!r}")
            value = tuple(value)
        elif kind is float and isinstance(value, int):
            value = float(value)
        elif not isinstance(value, kind):
            raise ValueError(f"{where}.{key}: expected {kind.__name__}, got {value!r}")
        read[key] = value
    return cls(**read)


def parse_config(values: dict) -> Config:
    """From plain values, as read from YAML or a checkpoint. ValueError names the key."""
    config = read_dataclass(Config, values, "config")
    assert isinstance(config, Config)
    return config


def parse_rae(values: dict) -> RaeConfig:
    """The autoencoder's part alone, of a checkpoint whose other parts may be of another time."""
    rae = read_dataclass(RaeConfig, values, "rae")
    assert isinstance(rae, RaeConfig)
    return rae


def load_config(path: Path) -> Config:
    return parse_config(yaml.safe_load(path.read_text()) or {})


def to_dict(config: Config) -> dict:
    """Plain values that `parse_config` reads back to an equal configuration."""
    return {k: (list(v) if isinstance(v, tuple) else v) for k, v in dataclasses.asdict(config).items()}
