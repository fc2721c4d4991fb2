"""Decode: an encoded image, read as it was written or refused by name.

Whatever Pillow would clip, guess or drop on the way (16 bits, floats, transparency, further frames) is either kept or
refused. Conversions that keep the picture but not its numbers come with a remark, which readers count.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8 | np.float32]  # between 0 and 255: `(n, channels, height, width)`, or one image without n

# Rasters alone: Pillow hands other formats to programs of the machine (EPS) or cannot decode them by itself.
FORMATS = (
    "AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "QOI", "SGI", "TGA", "TIFF", "WEBP",
)  # fmt: skip
GREY, EXACT_COLOUR, OTHER_COLOUR = ("1", "L", "LA"), ("RGB", "RGBX", "RGBA", "P", "PA"), ("CMYK", "YCbCr", "LAB", "HSV")
FROM_16_TO_8_BITS = 257  # 65535 / 255
ORIENTATION = 0x0112  # EXIF


@dataclass(frozen=True, slots=True)
class Decoded:
    """One image `(c, h, w)`: bytes, or floats where 16 bits were scaled to between 0 and 255; grey has one channel.

    `remarks` say what was converted on the way.
    """

    pixels: Pixels
    name: str
    remarks: tuple[str, ...] = ()


@cache
def image_suffixes() -> frozenset[str]:
    """Return the endings of the files that are read, in lower case."""
    from PIL import Image

    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS)


def decoded(content: bytes | Path, name: str) -> Decoded:
    """Return an image. Raises `InputError` naming it where it cannot be read, or not as what it is."""
    from PIL import Image, UnidentifiedImageError

    image_suffixes()  # which loads all formats
    known = [kind for kind in FORMATS if kind in Image.OPEN]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content, formats=known) as image:
                pixels, remarks = _read(image)
    except UnidentifiedImageError as error:
        raise InputError("data", f"{name} cannot be read: it is not an image of {', '.join(known)}") from error
    except Exception as error:  # decoders of damaged files may raise anything
        raise InputError("data", f"{name} cannot be read: {error}") from error
    return Decoded(_channels_first(pixels), name, remarks)


def taken(picture: Image, name: str) -> Decoded:
    """Return a picture of Pillow as its file is read; it is left as it is. Raises `InputError` as `decoded` does."""
    try:
        pixels, remarks = _read(picture)
    except (ValueError, OSError) as error:
        raise InputError("data", f"{name} cannot be read: {error}") from error
    return Decoded(_channels_first(pixels), name, remarks)


def _channels_first(pixels: Pixels) -> Pixels:
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _read(image: Image) -> tuple[Pixels, tuple[str, ...]]:
    """Return `(h, w)` or `(h, w, 3)` and remarks. Raises `ValueError` with the reason for a refusal."""
    from PIL import ImageOps

    frames = getattr(image, "n_frames", 1)
    kind, tiles = getattr(image, "format", None), getattr(image, "tile", [])
    if frames > 1 and kind != "MPO":  # whose further pictures are previews and depth maps of the first
        raise ValueError(f"it has {frames} frames; keep one")
    remarks = ["taken from the first picture of several (MPO)"] if frames > 1 else []
    if ";16" in str(tiles[:1]) and image.mode in (*GREY, *EXACT_COLOUR):
        remarks.append("in 16-bit colours reduced to 8 bits")
    if image.getexif().get(ORIENTATION, 1) in range(2, 9):
        image = ImageOps.exif_transpose(image)
        remarks.append("turned upright as their EXIF says")
    if image.mode.startswith("I;16") or (image.mode == "I" and kind == "PPM"):
        return np.asarray(image).astype(np.float32) / np.float32(FROM_16_TO_8_BITS), (
            *remarks,
            "of 16 bits scaled to 0…255",
        )
    return _of_bytes(image), (*remarks, *_about_colours(image.mode))


def _about_colours(mode: str) -> tuple[str, ...]:
    return (f"converted from {mode} to RGB",) if mode in OTHER_COLOUR else ()


def _of_bytes(image: Image) -> Pixels:
    if image.mode not in (*GREY, *EXACT_COLOUR, *OTHER_COLOUR):
        raise ValueError(f"its mode is {image.mode}, numbers of an unknown range; save it with 8 or 16 bits")
    wanted = "L" if image.mode in GREY else "RGB"
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        if with_alpha.getchannel("A").getextrema() != (255, 255):
            raise ValueError("it has transparent pixels; put it on a background")
    return np.asarray(image.convert(wanted))
