"""Sample4Geo (Deuser et al., ICCV 2023): one siamese CNN, tuned end to end by symmetric InfoNCE with label smoothing and a learned temperature;
hard negatives are GPS neighbours first, then what the model itself finds similar."""

from dataclasses import dataclass

from torch import Tensor, nn

from ..config import Config
from ..models.lite0 import STRIDE16_CHANNELS
from .rival import Rival, RivalConfig


@dataclass(frozen=True)
class Sample4GeoConfig(RivalConfig):
    """embedding: width. cells: the features are averaged over so many cells along each axis of the tile and along the azimuth of the canvas before
    they are projected; 1 is the paper's global average, whose CNN is deep enough to hold the layout in it."""

    embedding: int = 512
    cells: int = 1


class Sample4Geo(Rival):
    def __init__(self, config: Config, options: Sample4GeoConfig) -> None:
        super().__init__(config, options)
        self.embedding = options.embedding
        widen = 4 * STRIDE16_CHANNELS

        def head(rows: int, columns: int) -> nn.Sequential:
            pool = nn.AdaptiveAvgPool2d((rows, columns))
            return nn.Sequential(self.mix, pool, nn.Flatten(), nn.Linear(widen * rows * columns, options.embedding))

        self.mix = nn.Sequential(nn.Conv2d(STRIDE16_CHANNELS, widen, 1), nn.GELU())
        self.of_ground = head(1, options.cells)
        one_for_both = options.shared and options.cells == 1
        self.of_satellite = self.of_ground if one_for_both else head(options.cells, options.cells)

    def describe_ground(self, features: Tensor) -> Tensor:
        return self.of_ground(features)

    def describe_satellite(self, features: Tensor) -> Tensor:
        return self.of_satellite(features)
