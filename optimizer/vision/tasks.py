"""The image data sets that have a name: their shape, their classes, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTask:
    """An image classification set.

    `channels` and `size` (its sides, in pixels) are None where the images may have any, as long as all have the same.
    `hub` is its id on the hub, None where there is none; `fetch` says where a person gets it.
    """

    channels: int | None = None
    size: int | None = None
    classes: int | None
    hub: str | None = None
    fetch: str = "the hub"


def _medical(classes: int, channels: int) -> ImageTask:
    fetch = "https://medmnist.com, the npz file of any size, into a directory of its own"
    return ImageTask(channels=channels, classes=classes, fetch=fetch)


_VISA = "https://github.com/amazon-science/spot-diff, sorted into train/CLASS and test/CLASS"
_MVTEC = "https://www.mvtec.com/company/research/datasets/mvtec-3d-ad, the RGB images, in train/CLASS and test/CLASS"

IMAGE_TASKS: Mapping[str, ImageTask] = {
    "digits": ImageTask(channels=1, size=8, classes=10, fetch="scikit-learn, which brings it along"),
    "mnist": ImageTask(channels=1, size=28, classes=10, hub="ylecun/mnist"),
    "fashion_mnist": ImageTask(channels=1, size=28, classes=10, hub="zalando-datasets/fashion_mnist"),
    "emnist": ImageTask(channels=1, size=28, classes=62, hub="tanganke/emnist_byclass"),
    "cifar10": ImageTask(channels=3, size=32, classes=10, hub="uoft-cs/cifar10"),
    "imagenet-1k": ImageTask(classes=1000, hub="ILSVRC/imagenet-1k", fetch="the hub, with your own access"),
    "bloodmnist": _medical(8, 3),
    "octmnist": _medical(4, 1),
    "pneumoniamnist": _medical(2, 1),
    "visa": ImageTask(classes=None, fetch=_VISA),
    "mvtec_3d": ImageTask(classes=None, fetch=_MVTEC),
}
