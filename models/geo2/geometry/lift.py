"""From what each direction sees, at which range, to a metric grid around the camera: constant geometry, linear in the features."""

import math

import torch
from torch import Tensor, nn


def range_edges(bins: int, minimum_m: float, maximum_m: float) -> Tensor:
    """Edges of log-spaced range bins in metres, [bins + 1]."""
    return minimum_m * (maximum_m / minimum_m) ** (torch.arange(bins + 1, dtype=torch.float64) / bins)


def polar_to_cartesian(azimuths: int, bins: int, minimum_m: float, maximum_m: float, cells: int, extent_m: float) -> Tensor:
    """Matrix [azimuths * bins, cells * cells] that spreads polar cells over a square grid by area.

    Azimuth column a is centred at (a + 0.5) / azimuths * 360 - 180 degrees clockwise from the canvas heading; the grid covers
    extent_m x extent_m metres around the camera with the heading up (row 0 ahead). Rows sum to the part of the cell inside the grid.
    """
    edges = range_edges(bins, minimum_m, maximum_m)
    cell_m = extent_m / cells
    radial, angular = 12, 4
    a, r, u, v = torch.meshgrid(
        torch.arange(azimuths, dtype=torch.float64),
        torch.arange(bins, dtype=torch.float64),
        (torch.arange(radial, dtype=torch.float64) + 0.5) / radial,
        (torch.arange(angular, dtype=torch.float64) + 0.5) / angular,
        indexing="ij",
    )
    lower = r.long()
    distance = edges[lower] * (edges[lower + 1] / edges[lower]) ** u
    azimuth = ((a + v) / azimuths - 0.5) * 2 * math.pi
    x = (distance * torch.sin(azimuth) + extent_m / 2) / cell_m - 0.5
    y = (extent_m / 2 - distance * torch.cos(azimuth)) / cell_m - 0.5
    matrix = torch.zeros(azimuths * bins, cells * cells, dtype=torch.float64)
    source = (a.long() * bins + lower).flatten()
    x0, y0 = torch.floor(x), torch.floor(y)
    for dy in (0, 1):
        for dx in (0, 1):
            weight = (1 - (x - x0 - dx).abs()) * (1 - (y - y0 - dy).abs()) / (radial * angular)
            column, row = (x0 + dx).long(), (y0 + dy).long()
            inside = (column >= 0) & (column < cells) & (row >= 0) & (row < cells)
            target = (row.clamp(0, cells - 1) * cells + column.clamp(0, cells - 1)).flatten()
            matrix.index_put_((source, target), (weight * inside).flatten(), accumulate=True)
    return matrix.float()


class RangeHistogram(nn.Module):
    """Probability of each range bin from a log-range and its log-scale, by differences of the logistic distribution function."""

    def __init__(self, bins: int, minimum_m: float, maximum_m: float) -> None:
        super().__init__()
        edges = range_edges(bins, minimum_m, maximum_m).log().float()
        self.register_buffer("edges", edges[1:, None, None], persistent=False)  # [bins, 1, 1]

    def forward(self, log_range: Tensor, log_scale: Tensor) -> Tensor:
        """[B, 1, h, w] each -> [B, bins + 1, h, w]; the last bin is everything beyond, sky included."""
        below = torch.sigmoid((self.edges - log_range) * torch.exp(-log_scale))  # [B, bins, h, w]
        return torch.cat([below[:, :1], below[:, 1:] - below[:, :-1], 1 - below[:, -1:]], dim=1)


class PolarLift(nn.Module):
    """Features of a canvas into a metric grid around the camera, in two steps: along the rows into range bins, then by area into cells.

    Between the steps a turn of the camera is a roll of azimuths. The features of a cell are the mean of what was seen there; one extra
    channel is how much was seen.
    """

    def __init__(self, azimuths: int, bins: int, minimum_m: float, maximum_m: float, cells: int, extent_m: float) -> None:
        super().__init__()
        self.azimuths, self.bins, self.cells = azimuths, bins, cells
        matrix = polar_to_cartesian(azimuths, bins, minimum_m, maximum_m, cells, extent_m)
        self.register_buffer("matrix", matrix, persistent=False)  # [A * bins, cells * cells]

    def to_polar(self, features: Tensor, probability: Tensor) -> Tensor:
        """features [B, C, rows, W], probability [B, bins(+1), rows, W], W a multiple of A -> [B, A, bins, C + 1]."""
        B, C, _, W = features.shape
        weight = probability[:, : self.bins].permute(0, 3, 1, 2)  # [B, W, bins, rows]
        values = torch.cat([features, torch.ones_like(features[:, :1])], dim=1).permute(0, 3, 2, 1)  # [B, W, rows, C + 1]
        polar = torch.matmul(weight, values)  # [B, W, bins, C + 1]
        return polar.reshape(B, self.azimuths, W // self.azimuths, self.bins, C + 1).mean(2)

    def to_grid(self, polar: Tensor) -> Tensor:
        """[B, A, bins, C + 1] -> [B, C + 1, cells, cells]."""
        B, A, bins, C = polar.shape
        grid = torch.matmul(polar.permute(0, 3, 1, 2).reshape(B, C, A * bins), self.matrix)  # [B, C + 1, cells * cells]
        seen = grid[:, -1:]
        return torch.cat([grid[:, :-1] / (seen + 0.05), seen], dim=1).reshape(B, C, self.cells, self.cells)
