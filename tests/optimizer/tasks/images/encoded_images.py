"""Images as the bytes of a file."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def encoded(image: np.ndarray) -> bytes:
    """Return an image as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()
