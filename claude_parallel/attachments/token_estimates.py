"""How many input tokens an image or a document will be, estimated on the high side.

What the bytes say about themselves is read in ``sniffing``; whether they may be sent at all is decided in
``blocks``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from .sniffing import HIGH_RESOLUTION, image_size, image_tokens, pdf_pages

_PAGE_TOKENS = 3_000 + 1_568
"""One PDF page: its text (documented as 1,500 to 3,000 tokens) and its picture.

Source: PDF support page (September 2026). The picture's size is not documented; a standard page is assumed.
"""

_UNKNOWN_PAGES = 10
"""Pages of a PDF that we cannot read beforehand: a guess for the gate, not a bound. A budget refuses such files."""

_BYTES_PER_TOKEN = 3
"""English has four letters to a token, a third less from Claude 4.7 on; other scripts have more bytes each.

Source: token counting page (August 2026).
"""


def estimate_tokens(block: Mapping[str, Any], resolution: tuple[int, int] = HIGH_RESOLUTION) -> int:
    """Estimate the input tokens of an image or document block, on the high side.

    Parameters
    ----------
    block : mapping
        An image or document block.
    resolution : tuple of int
        ``sniffing.HIGH_RESOLUTION``, or ``sniffing.STANDARD_RESOLUTION`` for models before Claude 4.7.

    Returns
    -------
    int
        Tokens. An image behind a URL counts as the largest there is, a PDF behind one as ten pages.
    """
    source = block.get("source", {})
    if block["type"] == "image":
        size = block_size(block)
        return resolution[1] if size is None else image_tokens(*size, resolution)
    if source.get("type") == "text":
        return -(-len(source["data"].encode("utf-8", "replace")) // _BYTES_PER_TOKEN)
    return (block_pages(block) or _UNKNOWN_PAGES) * _PAGE_TOKENS


def block_size(block: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return width and height of an image block in pixels; None where they cannot be known."""
    data = _data(block)
    # The header is near the start unless a photo carries much metadata.
    return image_size(_decoded(data[: 2**16])) or image_size(_decoded(data))


def block_pages(block: Mapping[str, Any]) -> int | None:
    """Return the number of pages of a PDF block; None where it cannot be known."""
    data = _data(block)
    return pdf_pages(_decoded(data)) if data else None


def _data(block: Mapping[str, Any]) -> str:
    source = block.get("source", {})
    return str(source.get("data", "")) if source.get("type") == "base64" else ""


def _decoded(data: str) -> bytes:
    """Return decoded base64; nothing for what is none: it is the API's to refuse, not the estimate's."""
    try:
        return base64.b64decode(data)
    except (binascii.Error, ValueError):
        return b""
