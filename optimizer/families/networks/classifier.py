"""A classifier: any image network, called and answering as transformers classifiers do."""

from __future__ import annotations

from torch import Tensor, nn
from transformers.modeling_outputs import ImageClassifierOutput


class ImageClassifier(nn.Module):
    """Wraps a network of images `(n, c, h, w)` -> logits `(n, classes)`, or an output that holds `logits`."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixel_values: Tensor) -> ImageClassifierOutput:
        """Return the logits."""
        answer = self.net(pixel_values)
        return ImageClassifierOutput(logits=getattr(answer, "logits", answer))
