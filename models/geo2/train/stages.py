"""What later stages read of earlier ones in a run's folder."""

from pathlib import Path

from ..config import Config
from ..models.geomap import GeoMap
from .checkpoint import load_checkpoint


def load_geomap(config: Config, run: Path) -> GeoMap:
    """The embedding of the run: of its stage `geomap`, or the weights that the run started from. FileNotFoundError says which stage is missing."""
    model = GeoMap(config)
    model.frozen.gfm.load_state_dict(load_checkpoint(run / "gfm.pt")["model"])
    model.frozen.cnn.load_imagenet()
    started = run / "start.pt"
    file = started if started.exists() and not (run / "geomap.pt").exists() else run / "geomap.pt"
    model.head.load_state_dict(load_checkpoint(file)["head"])
    return model.eval().requires_grad_(False)
