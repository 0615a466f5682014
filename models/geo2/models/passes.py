"""How the images of a pair pass through the geometry model. The method is `MultiViewPass`; the others are what it is compared with."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import Config
from ..geometry.e2p import EquirectangularToPerspective, PerspectiveToEquirectangular
from .gfm import Aggregate, GeometryFoundationModel


@dataclass(frozen=True)
class GroundPass:
    """What the geometry model says of a canvas' V frames, and which of their pixels hold data, view_mask [B, V, H, W] of 0 and 1."""

    features: Aggregate
    view_mask: Tensor


class MultiViewPass(nn.Module):
    """Perspective views of a canvas (E2P), all in one pass; a tile in a pass of its own."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        g, f = config.geometry, config.gfm
        self.e2p = EquirectangularToPerspective(
            g.canvas_width_px, g.canvas_height_px, g.elevation_top_deg, g.elevation_bottom_deg, f.view_yaws_deg, f.view_fov_deg, f.view_px
        )
        rows, columns = g.canvas_height_px // 4, g.canvas_width_px // 4
        self.p2e = PerspectiveToEquirectangular(
            f.view_yaws_deg, f.view_fov_deg, f.view_px // 4, columns, rows, g.elevation_top_deg, g.elevation_bottom_deg
        )

    def frames(self, pixels: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """pixels [B, 3, H, W] and valid [B, 1, H, W] of a canvas -> frames [B, V, 3, h, w] and where they hold data [B, V, h, w]."""
        return self.e2p(pixels), (self.e2p(valid)[:, :, 0] > 0.5).to(torch.float32)

    def to_canvas(self, maps: Tensor) -> Tensor:
        """Of the frames at stride 4 -> [B, C, H/4, W/4]."""
        return self.p2e(maps)

    def ground(self, gfm: GeometryFoundationModel, pixels: Tensor, valid: Tensor) -> GroundPass:
        views, view_mask = self.frames(pixels, valid)
        return GroundPass(gfm.aggregate(views, view_mask), view_mask)

    def pair(self, gfm: GeometryFoundationModel, pixels: Tensor, valid: Tensor, tiles: Tensor) -> tuple[GroundPass, Aggregate]:
        """Of training pairs; tiles [B * n, 3, S, S]."""
        return self.ground(gfm, pixels, valid), gfm.aggregate(tiles[:, None])


class SingleViewPasses(MultiViewPass):
    """Each view in a pass of its own, so that no view knows of another."""

    def ground(self, gfm: GeometryFoundationModel, pixels: Tensor, valid: Tensor) -> GroundPass:
        views, view_mask = self.frames(pixels, valid)
        B, V = views.shape[:2]
        alone = gfm.aggregate(views.flatten(0, 1)[:, None], view_mask.flatten(0, 1)[:, None])  # patches [B * V, 1, P, 2D]
        return GroundPass(_shaped(alone, B, V), view_mask)


class PanoramaPass(MultiViewPass):
    """The canvas as it is, distorted, as one frame."""

    def frames(self, pixels: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        return pixels[:, None], valid

    def to_canvas(self, maps: Tensor) -> Tensor:
        return maps[:, 0]


class BothViewsPass(MultiViewPass):
    """Views and tile of a training pair in one pass. A search embeds each alone, since it is the pair that is searched for."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        if config.gfm.view_px != config.geometry.tile_px or config.geomap_training.tiles_per_query != 1:
            raise ValueError(
                f"ground_pass both_views: expected view_px = tile_px = {config.geometry.tile_px} and tiles_per_query = 1, "
                f"got {config.gfm.view_px} and {config.geomap_training.tiles_per_query}"
            )

    def pair(self, gfm: GeometryFoundationModel, pixels: Tensor, valid: Tensor, tiles: Tensor) -> tuple[GroundPass, Aggregate]:
        views, view_mask = self.frames(pixels, valid)
        B, V = views.shape[:2]
        all_valid = torch.cat([view_mask, torch.ones_like(view_mask[:, :1])], dim=1)  # [B, V + 1, H, W]
        both = gfm.aggregate(torch.cat([views, tiles[:, None]], dim=1), all_valid)
        return GroundPass(_part(both, B, slice(0, V)), view_mask), _part(both, B, slice(V, V + 1))


def _shaped(features: Aggregate, B: int, S: int) -> Aggregate:
    """Sequences of one frame as B sequences of S; the stem's features have no such axis."""
    return Aggregate(features.patches.reshape(B, S, *features.patches.shape[2:]), features.camera.reshape(B, S, -1), features.x8, features.x4)


def _part(features: Aggregate, B: int, frames: slice) -> Aggregate:
    """Some frames of each of B sequences."""
    x8, x4 = (x.unflatten(0, (B, -1))[:, frames].flatten(0, 1) for x in (features.x8, features.x4))
    return Aggregate(features.patches[:, frames], features.camera[:, frames], x8, x4)


PASSES = {"multi_view": MultiViewPass, "single_views": SingleViewPasses, "panorama": PanoramaPass, "both_views": BothViewsPass}


def build_passes(config: Config) -> MultiViewPass:
    """As `geomap.ground_pass` says."""
    return PASSES[config.geomap.ground_pass](config)
