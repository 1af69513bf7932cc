"""Scaling images down with Pillow, the one optional package behind attachments.

When an image is too large is decided in ``blocks``; nothing here runs unless asked for.
"""

from __future__ import annotations

import io
import math
from typing import Any

from ..errors import InputError
from .sniffing import image_size

_JPEG_QUALITY = 90
"""Of 95 that Pillow advises at most: no artefact that a reader of small print would see, and far fewer bytes than
lossless."""
_PNG_MODES = ("1", "L", "LA", "I;16", "P", "RGB", "RGBA")


def require_pillow() -> Any:
    """Return Pillow's ``Image`` module.

    Raises
    ------
    InputError
        Where Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError('scaling images down needs Pillow; run: pip install "claude-parallel[images]"') from error
    return Image


def shrink(data: bytes, max_pixels: int, max_edge: int) -> bytes:
    """Return the image with at most `max_pixels` and no edge above `max_edge`, in its own format.

    An image that already fits comes back untouched, byte for byte. A GIF comes back as a PNG of its first
    frame, which is all that the API looks at. The same image gives the same bytes under the same Pillow.

    Raises
    ------
    InputError
        Where Pillow is needed and not installed.
    Exception
        Whatever Pillow raises for an image that it cannot read.
    """
    size = image_size(data)
    if size is None or _target(size, max_pixels, max_edge) == size:
        return data
    pillow = require_pillow()
    from PIL import ImageOps

    with pillow.open(io.BytesIO(data)) as image:
        image.load()
        if image.format == "GIF":
            return to_png(image, max_pixels, max_edge)
        # What is encoded anew loses its metadata, and with them which way up a photo is.
        scaled = _scaled(ImageOps.exif_transpose(image), max_pixels, max_edge)
        if image.format in ("PNG", "WEBP"):
            return _encode(scaled, image.format)
        # Phones write JPEGs that Pillow calls MPO.
        return _encode(scaled, "JPEG", quality=_JPEG_QUALITY)


def to_png(image: Any, max_pixels: int | None, max_edge: int) -> bytes:
    """Return a Pillow image as PNG bytes, scaled down where `max_pixels` is given.

    One that was opened and not worked on since stands as its camera says. What else Pillow made has the orientation of
    its pixels: notes of the file may still go with it, whichever way it was turned since.
    """
    if image.format is not None:
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;") and image.mode not in _PNG_MODES:
        image = image.convert("I")  # the same 16 bits in another order, which scaling and PNG do not know
    if max_pixels is not None:
        image = _scaled(image, max_pixels, max_edge)
    if image.mode == "I":
        image = image.convert("I;16")  # 16 bits as many scans have; as RGB, all above 255 would be white
    return _encode(image if image.mode in _PNG_MODES else image.convert("RGB"), "PNG")


def _target(size: tuple[int, int], max_pixels: int, max_edge: int) -> tuple[int, int]:
    width, height = size
    scale = min(1.0, math.sqrt(max_pixels / (width * height)), max_edge / max(size))
    # Rounded down, so that the product never exceeds what was asked for.
    return (max(1, int(width * scale)), max(1, int(height * scale))) if scale < 1 else size


def _scaled(image: Any, max_pixels: int, max_edge: int) -> Any:
    size = _target(image.size, max_pixels, max_edge)
    if size == image.size:
        return image
    # A palette cannot be blended.
    smooth = image.convert("RGBA") if image.mode in ("P", "PA", "1") else image
    return smooth.resize(size, require_pillow().Resampling.LANCZOS)


def _encode(image: Any, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()
