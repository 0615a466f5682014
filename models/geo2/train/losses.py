"""The losses of the stages, each a function of tensors."""

import torch
from torch import Tensor
from torch.nn import functional as F


def info_nce(ground: Tensor, satellite: Tensor, scale: Tensor, ignore: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Symmetric InfoNCE over a batch of pairs [B, D]; ignore [B, B] is true where i's tile is no negative of j (it shows the same place).

    The diagonal is the positive whatever `ignore` says of it.
    """
    logits = ground @ satellite.t() * scale  # [B, B]
    off_diagonal = ~torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(ignore & off_diagonal, -1e4)
    target = torch.arange(len(logits), device=logits.device)
    return (_smoothed(logits, target, label_smoothing) + _smoothed(logits.t(), target, label_smoothing)) / 2


def _smoothed(logits: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Cross entropy that spreads `smoothing` of the target over the negatives that count; ignored ones get none."""
    log_p = F.log_softmax(logits, dim=1)
    positive = -log_p[target, target]
    counted = (logits > -1e3).float()
    spread = -(log_p * counted).sum(1) / counted.sum(1)
    return ((1 - smoothing) * positive + smoothing * spread).mean()


def logistic_nll(location: Tensor, log_scale: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood of a logistic distribution, elementwise: regression with its own uncertainty."""
    z = (target - location) * torch.exp(-log_scale)
    return z + 2 * F.softplus(-z) + log_scale


def signed_log(metres: Tensor) -> Tensor:
    """sign(x) * log(1 + |x|): near and far coordinates on one scale."""
    return metres.sign() * metres.abs().log1p()
