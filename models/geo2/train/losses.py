"""The losses of the stages, each a function of tensors."""

import torch
from torch import Tensor
from torch.nn import functional as F


def info_nce(ground: Tensor, satellite: Tensor, truth: Tensor, scale: Tensor, ignore: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Symmetric InfoNCE over a batch of pairs: ground [B, K, D] holds an embedding of each hypothesis of where the camera stands, satellite
    [B, D]; truth int64 [B] is the right hypothesis of each. A query competes over all tiles and hypotheses, a tile over all queries and theirs.

    ignore [B, K, B] is true where query i by hypothesis k would stand where tile j is, so that j is no negative; the positive counts
    whatever `ignore` says of it.
    """
    B, K, _ = ground.shape
    logits = torch.matmul(ground, satellite.t()) * scale  # [B, K, B]
    pair = torch.arange(B, device=logits.device)
    positive = torch.zeros_like(ignore)
    positive[pair, truth, pair] = True
    logits = logits.masked_fill(ignore & ~positive, IGNORED)
    of_ground = logits.reshape(B, K * B)
    of_satellite = logits.permute(2, 0, 1).reshape(B, B * K)
    return (_smoothed(of_ground, truth * B + pair, label_smoothing) + _smoothed(of_satellite, pair * K + truth, label_smoothing)) / 2


IGNORED = -1e4
"""A logit that takes no part."""


def _smoothed(logits: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Cross entropy that spreads `smoothing` of the target over the negatives that count; ignored ones get none."""
    log_p = F.log_softmax(logits, dim=1)
    positive = -log_p.gather(1, target[:, None])[:, 0]
    counted = (logits > IGNORED / 2).float()
    spread = -(log_p * counted).sum(1) / counted.sum(1)
    return ((1 - smoothing) * positive + smoothing * spread).mean()


def consistency_kl(ground: Tensor, satellite: Tensor, tau: float) -> Tensor:
    """L_KL = KL(f_g || f_s) + KL(f_s || f_g), the mean over a batch of pairs [B, D].

    The divergence of unit vectors is undefined as it stands; ours takes softmax(f / tau) over the components as the distribution.
    """
    log_g, log_s = F.log_softmax(ground / tau, dim=-1), F.log_softmax(satellite / tau, dim=-1)
    return ((log_g.exp() - log_s.exp()) * (log_g - log_s)).sum(-1).mean()


def logistic_nll(location: Tensor, log_scale: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood of a logistic distribution, elementwise: regression with its own uncertainty."""
    z = (target - location) * torch.exp(-log_scale)
    return z + 2 * F.softplus(-z) + log_scale
