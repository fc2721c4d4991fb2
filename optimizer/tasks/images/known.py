"""The image data sets that have a name: their shape, their classes, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTask:
    """An image classification set.

    `channels` and `size` (its sides, in pixels) are None where the images may have any, as long as all have the same;
    images above `largest` pixels are shrunk to it. `validation_share` of a set that comes unsplit is kept for
    validation. `hub` is its id on the hub, None where there is none; `fetch` says where to download it and how to
    arrange its files; the package `medmnist`, where it is installed, fetches what `is_medical`.
    """

    channels: int | None = None
    size: int | None = None
    largest: int | None = None
    classes: int | None
    validation_share: float = 0.0
    hub: str | None = None
    fetch: str = "the hub"
    is_medical: bool = False
    has_sides: bool = False  # a mirror image shows something else, as of digits and letters


def _medical(name: str, classes: int, channels: int) -> ImageTask:
    fetch = f"https://zenodo.org/records/10519652 ({name}.npz for 28 pixels, {name}_224.npz for 224)"
    return ImageTask(channels=channels, classes=classes, fetch=fetch, is_medical=True)


_VISA = "https://github.com/amazon-science/spot-diff (VisA; unpacked as it is, OBJECT/Data/Images/Normal and Anomaly)"
_MVTEC = (
    "https://www.kaggle.com (MVTec 3D Object Classification, Schuerrle et al. 2023: synthetic views of ten objects of "
    "MVTec ITODD; not MVTec 3D-AD), the images sorted into CLASS/ or train/CLASS, val/CLASS, test/CLASS"
)
_IMAGENET = "the hub, with your own access"

IMAGE_TASKS: Mapping[str, ImageTask] = {
    "digits": ImageTask(channels=1, size=8, classes=10, fetch="scikit-learn, which brings it along", has_sides=True),
    "mnist": ImageTask(channels=1, size=28, classes=10, hub="ylecun/mnist", has_sides=True),
    "fashion_mnist": ImageTask(channels=1, size=28, classes=10, hub="zalando-datasets/fashion_mnist"),
    "emnist": ImageTask(channels=1, size=28, classes=62, hub="tanganke/emnist_byclass", has_sides=True),
    "cifar10": ImageTask(channels=3, size=32, classes=10, hub="uoft-cs/cifar10"),
    "imagenet-1k": ImageTask(classes=1000, largest=224, hub="ILSVRC/imagenet-1k", fetch=_IMAGENET),
    "bloodmnist": _medical("bloodmnist", 8, 3),
    "octmnist": _medical("octmnist", 4, 1),
    "pneumoniamnist": _medical("pneumoniamnist", 2, 1),
    "visa": ImageTask(classes=2, largest=224, fetch=_VISA),
    "mvtec_3d": ImageTask(classes=None, largest=224, validation_share=0.1, fetch=_MVTEC),
}
OWN = ImageTask(classes=None)  # images of the user's own, under any other name
