"""Equirectangular to perspective and back, as constant bilinear gathers: exportable, exact, no data-dependent step."""

import math

import torch
from torch import Tensor, nn


def view_rays(size_px: int, fov_deg: float, yaw_deg: float) -> Tensor:
    """Unit rays of a square perspective view, [size, size, 3] as (east, north, up) about the canvas heading = north."""
    focal = size_px / 2 / math.tan(math.radians(fov_deg) / 2)
    offset = torch.arange(size_px, dtype=torch.float64) + 0.5 - size_px / 2
    right, up = torch.meshgrid(offset / focal, -offset / focal, indexing="xy")  # [size, size]
    forward = torch.ones_like(right)
    yaw = math.radians(yaw_deg)
    east = forward * math.sin(yaw) + right * math.cos(yaw)
    north = forward * math.cos(yaw) - right * math.sin(yaw)
    rays = torch.stack([east, north, up], dim=-1)
    return rays / rays.norm(dim=-1, keepdim=True)


def bilinear_gather(x: Tensor, y: Tensor, width: int, height: int, wraps: bool) -> tuple[Tensor, Tensor]:
    """Indices [n, 4] into a flattened height x width image and their weights [n, 4], for pixel-centre coordinates x, y [n].

    Columns wrap where `wraps`; weights are zero where a row (or an unwrapped column) lies outside.
    """
    x0, y0 = torch.floor(x), torch.floor(y)
    indices, weights = [], []
    for dy in (0, 1):
        for dx in (0, 1):
            column, row = (x0 + dx).long(), (y0 + dy).long()
            weight = (1 - (x - x0 - dx).abs()) * (1 - (y - y0 - dy).abs())
            inside = (row >= 0) & (row < height)
            if wraps:
                column = column % width
            else:
                inside &= (column >= 0) & (column < width)
                column = column.clamp(0, width - 1)
            indices.append(row.clamp(0, height - 1) * width + column)
            weights.append(weight * inside)
    return torch.stack(indices, -1), torch.stack(weights, -1).float()


class EquirectangularToPerspective(nn.Module):
    """Slices a canvas into V perspective views.

    The canvas covers all azimuths about its heading and the elevations [bottom, top]; what a view sees beyond them is zero.
    """

    def __init__(
        self, canvas_width: int, canvas_height: int, top_deg: float, bottom_deg: float, yaws_deg: tuple[float, ...], fov_deg: float, size_px: int
    ) -> None:
        super().__init__()
        rays = torch.stack([view_rays(size_px, fov_deg, yaw) for yaw in yaws_deg])  # [V, size, size, 3]
        azimuth = torch.atan2(rays[..., 0], rays[..., 1])
        elevation = torch.asin(rays[..., 2].clamp(-1, 1))
        x = (azimuth / (2 * math.pi) + 0.5) * canvas_width - 0.5
        y = (math.radians(top_deg) - elevation) / math.radians(top_deg - bottom_deg) * canvas_height - 0.5
        index, weight = bilinear_gather(x.flatten(), y.flatten(), canvas_width, canvas_height, wraps=True)
        self.views, self.size, self.canvas = len(yaws_deg), size_px, (canvas_height, canvas_width)
        self.register_buffer("index", index.flatten(), persistent=False)  # [V * size * size * 4]
        self.register_buffer("weight", weight, persistent=False)  # [V * size * size, 4]

    def forward(self, canvas: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, V, C, size, size]. ValueError for a canvas of another size."""
        B, C, H, W = canvas.shape
        if (H, W) != self.canvas:
            raise ValueError(f"canvas: expected {self.canvas[0]} x {self.canvas[1]} px, got {H} x {W}")
        samples = canvas.flatten(2).index_select(2, self.index)  # [B, C, V * size * size * 4]
        values = (samples.reshape(B, C, -1, 4) * self.weight).sum(-1)  # [B, C, V * size * size]
        return values.reshape(B, C, self.views, self.size, self.size).transpose(1, 2)  # [B, V, C, size, size]


class PerspectiveToEquirectangular(nn.Module):
    """Samples per-view maps at the directions of a canvas grid; directions that no view sees take the nearest edge."""

    def __init__(
        self, yaws_deg: tuple[float, ...], fov_deg: float, size: int, grid_width: int, grid_height: int, top_deg: float, bottom_deg: float
    ) -> None:
        super().__init__()
        azimuth = (torch.arange(grid_width, dtype=torch.float64) + 0.5) / grid_width * 360 - 180
        elevation = top_deg + (bottom_deg - top_deg) * (torch.arange(grid_height, dtype=torch.float64) + 0.5) / grid_height
        el, az = torch.meshgrid(elevation, azimuth, indexing="ij")  # [h, w]
        yaws = torch.tensor(yaws_deg, dtype=torch.float64)
        relative = (az[None] - yaws[:, None, None] + 180) % 360 - 180  # [V, h, w]
        view = relative.abs().argmin(0)  # [h, w]
        nearest = torch.gather(relative, 0, view[None])[0].clamp(-89, 89)
        focal = size / 2 / math.tan(math.radians(fov_deg) / 2)
        x = size / 2 + focal * torch.tan(torch.deg2rad(nearest)) - 0.5
        y = size / 2 - focal * torch.tan(torch.deg2rad(el)) / torch.cos(torch.deg2rad(nearest)) - 0.5
        x, y = x.clamp(0, size - 1), y.clamp(0, size - 1)
        index, weight = bilinear_gather(x.flatten(), y.flatten(), size, size, wraps=False)
        self.grid = (grid_height, grid_width)
        self.register_buffer("index", (index + view.flatten()[:, None] * size * size).flatten(), persistent=False)
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, views: Tensor) -> Tensor:
        """[B, V, C, size, size] -> [B, C, grid_height, grid_width]."""
        B, _, C, _, _ = views.shape
        flat = views.transpose(1, 2).flatten(2)  # [B, C, V * size * size]
        samples = flat.index_select(2, self.index).reshape(B, C, -1, 4)
        return (samples * self.weight).sum(-1).reshape(B, C, *self.grid)  # [B, C, h, w]
