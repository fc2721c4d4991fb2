"""Every kind of image that Pillow opens: read as it is, or refused by its name."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from optimizer.errors import InputError
from optimizer.tasks.images.decode import decoded

COLOURS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
GREYS = COLOURS[..., 0]
SIXTEEN = (np.arange(48, dtype=np.uint16) * 1337).reshape(6, 8)
OTHER = Image.fromarray(255 - COLOURS)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def big_endian() -> Image.Image:
    return Image.frombytes("I;16B", (8, 6), SIXTEEN.astype(">u2").tobytes())


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_keep_all_their_steps(kind: str) -> None:
    found = decoded(saved(Image.fromarray(SIXTEEN), kind), "deep")
    np.testing.assert_allclose(found.pixels[0] * 257, SIXTEEN, atol=0.01)
    assert found.remarks == ("of 16 bits scaled to 0…255",)


def test_the_order_of_bytes_does_not_matter() -> None:
    found = decoded(saved(big_endian(), "TIFF"), "deep")
    np.testing.assert_allclose(found.pixels[0] * 257, SIXTEEN, atol=0.01)


@pytest.mark.parametrize(("mode", "kind"), [("1", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("LA", "TIFF")])
def test_greys_have_one_channel(mode: str, kind: str) -> None:
    image = Image.fromarray(GREYS).convert(mode)
    found = decoded(saved(image, kind), "grey")
    assert np.array_equal(found.pixels[0], np.asarray(image.convert("L")))
    assert (len(found.pixels), found.remarks) == (1, ())


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("P", "GIF"), ("PA", "TIFF"), ("RGBX", "TIFF")]
)
def test_colours_are_those_of_the_picture(mode: str, kind: str) -> None:
    image = Image.fromarray(COLOURS).convert(mode)
    found = decoded(saved(image, kind), "colour")
    assert np.array_equal(found.pixels.transpose(1, 2, 0), np.asarray(image.convert("RGB")))
    assert found.remarks == ()


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB"])
def test_other_colours_are_converted_and_counted(mode: str) -> None:
    found = decoded(saved(Image.fromarray(COLOURS).convert(mode), "TIFF"), "print")
    assert np.abs(found.pixels.transpose(1, 2, 0).astype(int) - COLOURS).mean() < 6
    assert found.remarks == (f"converted from {mode} to RGB",)


@pytest.mark.parametrize("image", [Image.fromarray(COLOURS), Image.fromarray(SIXTEEN)])
def test_a_picture_stands_as_its_exif_says(image: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera turned to the left
    upright, lying = (decoded(saved(image, "PNG", **given), "photo") for given in ({}, {"exif": exif}))
    assert np.array_equal(lying.pixels, np.rot90(upright.pixels, -1, axes=(1, 2)))
    assert "turned upright as their EXIF says" in lying.remarks


def test_the_first_picture_of_a_camera_file_is_the_picture() -> None:
    found = decoded(saved(Image.fromarray(COLOURS), "MPO", save_all=True, append_images=[OTHER]), "photo")
    assert found.remarks == ("taken from the first picture of several (MPO)",)
    assert np.array_equal(found.pixels, decoded(saved(Image.fromarray(COLOURS), "JPEG"), "photo").pixels)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(side: int, *, bits: int, colour: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, bits, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_colours_of_sixteen_bits_are_counted_as_reduced() -> None:
    rows = b"".join(b"\0" + (np.arange(12, dtype=">u2") * 5000).tobytes() for _ in range(4))
    assert decoded(png(4, bits=16, colour=2, rows=rows), "deep").remarks == ("in 16-bit colours reduced to 8 bits",)


def with_alpha(mode: str) -> Image.Image:
    image = Image.fromarray(COLOURS).convert(mode)
    image.putalpha(Image.fromarray(GREYS))
    return image


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (saved(Image.fromarray(SIXTEEN).convert("I"), "TIFF"), "its mode is I, numbers of an unknown range"),
        (saved(Image.fromarray(SIXTEEN).convert("F"), "TIFF"), "its mode is F, numbers of an unknown range"),
        (saved(with_alpha("RGBA"), "PNG"), "it has transparent pixels"),
        (saved(with_alpha("LA"), "PNG"), "it has transparent pixels"),
        *(
            (saved(Image.fromarray(COLOURS), kind, save_all=True, append_images=[OTHER]), "it has 2 frames; keep one")
            for kind in ("GIF", "PNG", "TIFF")
        ),
        *((saved(OTHER.resize((99, 99)), kind)[:-200], "truncated") for kind in ("PNG", "JPEG", "TIFF", "BMP", "GIF")),
        (b"", "it is not an image of"),
        (b"a text", "it is not an image of"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is not an image of"),
        (png(10_000, bits=1, colour=0, rows=b"\0"), "exceeds limit"),
        (png(20_000, bits=1, colour=0, rows=b"\0"), "exceeds limit"),
    ],
)
def test_what_cannot_be_read_as_it_is_is_refused_by_name(content: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=f"data: a/7.png cannot be read: .*{reason}"):
        decoded(content, "a/7.png")
