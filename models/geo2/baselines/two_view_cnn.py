"""The pretrained CNN of ours for both views, trained: one set of weights or two, batch norms' statistics always apart."""

from torch import Tensor, nn

from ..models.lite0 import Lite0


class TwoViewCnn(nn.Module):
    """EfficientNet-Lite0 with its ImageNet weights. shared: whether both views have the same weights (and norms' scales and shifts); frozen_blocks:
    the stem and so many blocks after it keep theirs, statistics included; 0 trains all."""

    def __init__(self, shared: bool, frozen_blocks: int) -> None:
        super().__init__()
        self.of_ground, self.of_satellite = Lite0().load_imagenet(), Lite0().load_imagenet()
        if not 0 <= frozen_blocks <= len(self.of_ground.blocks):
            raise ValueError(f"frozen_blocks: expected 0 to {len(self.of_ground.blocks)}, got {frozen_blocks}")
        self.frozen_blocks = frozen_blocks
        for module in self._frozen():
            module.requires_grad_(False)
        if shared:
            for of_ground, of_satellite in zip(self.of_ground.modules(), self.of_satellite.modules(), strict=True):
                for name, parameter in of_ground.named_parameters(recurse=False):
                    setattr(of_satellite, name, parameter)

    def _frozen(self) -> list[nn.Module]:
        if self.frozen_blocks == 0:
            return []
        return [part for cnn in (self.of_ground, self.of_satellite) for part in (cnn.stem, cnn.stem_norm, *cnn.blocks[: self.frozen_blocks])]

    def train(self, mode: bool = True) -> "TwoViewCnn":
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def ground(self, image: Tensor, mask: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] and [B, H, W] -> [B, 112, H/16, W/16]; pixels under the mask show the CNN's mean."""
        valid = mask[:, None].float()
        pixels = image.permute(0, 3, 1, 2).float() / 255
        return self.of_ground(pixels * valid + (1 - valid) * self.of_ground.mean)[2]

    def satellite(self, pixels: Tensor) -> Tensor:
        """[B, 3, H, W] in [0, 1] -> [B, 112, H/16, W/16]."""
        return self.of_satellite(pixels)[2]
