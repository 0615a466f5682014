"""The rivals of the embedding by name."""

from ..config import Config, read_dataclass
from .geodtr import GeoDtr, GeoDtrConfig
from .rival import Rival, RivalConfig
from .safa_polar import SafaPolar, SafaPolarConfig
from .sample4geo import Sample4Geo, Sample4GeoConfig
from .singeo import SinGeo, SinGeoConfig

RIVALS: dict[str, tuple[type[Rival], type[RivalConfig]]] = {
    "sample4geo": (Sample4Geo, Sample4GeoConfig),
    "safa-polar": (SafaPolar, SafaPolarConfig),
    "geodtr": (GeoDtr, GeoDtrConfig),
    "singeo": (SinGeo, SinGeoConfig),
}


def build_rival(name: str, config: Config, options: dict) -> Rival:
    """With the options of its own configuration as plain values. ValueError for a name or an option that is not known."""
    if name not in RIVALS:
        raise ValueError(f"rival: expected one of {', '.join(RIVALS)}, got {name!r}")
    network, kind = RIVALS[name]
    return network(config, read_dataclass(kind, options, name))
