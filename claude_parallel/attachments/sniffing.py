"""What the bytes of an image or document say about themselves: kind, pixels, pages, and tokens.

Nothing is decoded and nothing is opened here; where the bytes come from is decided in ``attachments``.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator
from typing import Literal

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
"""The formats that the API takes. Source: vision page, "Supported formats" (September 2026)."""

PATCH_PIXELS = 28
"""Edge of the square that costs one token.

Source: vision page, "Resolution and token cost" (September 2026).
"""

HIGH_RESOLUTION = (2576, 4784)
"""Longest edge in pixels and most tokens of one image for Claude 4.7 and later; larger ones are scaled down.

Source: same place.
"""

STANDARD_RESOLUTION = (1568, 1568)
"""The same for all older models."""

_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_COUNT = re.compile(rb"/Count\s+(\d+)")
_OBJECT_STREAM = re.compile(rb"/ObjStm\b[^>]*(?:>(?!>)[^>]*)*>>\s*stream\r?\n")
_ENCRYPTED = re.compile(rb"/Encrypt\s*(?:\d+\s+\d+\s+R|<<)")
_LARGEST_STREAM = 16 * 2**20

# Markers that open a JPEG frame header: C0 to CF without the tables C4, C8, CC.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def sniff(data: bytes) -> str | None:
    """Return the media type that the first bytes tell: an image of :data:`IMAGE_TYPES`, a PDF, or None."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    # Readers allow some bytes of junk before the header.
    return "application/pdf" if b"%PDF-" in data[:1024] else None


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels from an image's header; None where the header is broken."""
    match sniff(data):
        case "image/png" if data[12:16] == b"IHDR":
            size = _integer(data[16:20], "big"), _integer(data[20:24], "big")
        case "image/gif":
            size = _integer(data[6:8], "little"), _integer(data[8:10], "little")
        case "image/webp":
            size = _webp_size(data)
        case "image/jpeg":
            size = _jpeg_size(data)
        case _:
            return None
    return size if min(size) > 0 else None


def _integer(data: bytes, order: Literal["big", "little"]) -> int:
    return int.from_bytes(data, order)


def _webp_size(data: bytes) -> tuple[int, int]:
    # Source: RFC 9649, sections 2.5 to 2.7.
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return _integer(data[24:27], "little") + 1, _integer(data[27:30], "little") + 1
    if kind == b"VP8L" and data[20:21] == b"\x2f" and len(data) >= 25:
        bits = _integer(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        return _integer(data[26:28], "little") & 0x3FFF, _integer(data[28:30], "little") & 0x3FFF
    return 0, 0


def _jpeg_size(data: bytes) -> tuple[int, int]:
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # fill byte
            place += 1
        elif marker in _JPEG_FRAMES:
            return _integer(data[place + 7 : place + 9], "big"), _integer(data[place + 5 : place + 7], "big")
        else:
            place += 2 + _integer(data[place + 2 : place + 4], "big")
    return 0, 0


def is_cut(data: bytes) -> bool:
    """Tell whether an image lacks its end, as a broken download does; a GIF is never suspected."""
    match sniff(data):
        case "image/png":
            return b"IEND" not in data
        case "image/jpeg":
            return b"\xff\xd9" not in data
        case "image/webp":
            return len(data) < 8 + _integer(data[4:8], "little")
    return False


def image_tokens(width: int, height: int, resolution: tuple[int, int] = HIGH_RESOLUTION) -> int:
    """Return the tokens of an image, at most 1 % above what the API counts, never below.

    Parameters
    ----------
    width, height : int
        Pixels.
    resolution : tuple of int
        :data:`HIGH_RESOLUTION` or :data:`STANDARD_RESOLUTION`.
    """
    edge, most = resolution
    scale = min(1.0, edge / max(width, height), math.sqrt(most * PATCH_PIXELS**2 / (width * height)))
    # A product such as 0.7 * 1040 may end a hair above the whole number it is.
    across, down = (math.ceil(round(side * scale / PATCH_PIXELS, 6)) for side in (width, height))
    return min(most, max(1, across) * max(1, down))


def pdf_pages(data: bytes) -> int:
    """Return the number of a PDF's pages as its objects tell; 0 where they tell nothing.

    Page objects are counted, in compressed object streams too, and compared with the page tree's own count:
    revised files keep old pages, and outlines have counts as well, so the smaller number is the likelier.
    """
    parts = [data, *_object_streams(data)]
    pages = sum(len(_PAGE.findall(part)) for part in parts)
    told = max((int(found) for part in parts for found in _COUNT.findall(part)), default=0)
    return min(filter(None, (pages, told)), default=0)


def _object_streams(data: bytes) -> Iterator[bytes]:
    for match in _OBJECT_STREAM.finditer(data):
        packed = data[match.end() : data.find(b"endstream", match.end())]
        try:
            yield zlib.decompressobj().decompress(packed, _LARGEST_STREAM)
        except zlib.error:
            continue


def is_encrypted(data: bytes) -> bool:
    """Tell whether a PDF is encrypted, which the API does not read (PDF support page, September 2026)."""
    return _ENCRYPTED.search(data) is not None
