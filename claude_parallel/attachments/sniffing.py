"""What the bytes of an image or document say about themselves: kind, pixels, pages, and tokens.

Nothing is decoded and nothing is opened here; where the bytes come from is decided in ``cells``.
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

_PAGE = re.compile(rb"/Type\s{0,9}/Page(?![A-Za-z])")
_COUNT = re.compile(rb"/Count\s{1,9}(\d{1,9})(?!\d)")
_STREAM = re.compile(rb">>\s{0,9}stream\r?\n")
_ENCRYPTED = re.compile(rb"/Encrypt\s{0,9}(?:\d{1,10}\s{1,9}\d{1,10}\s{1,9}R|<<)")
"""Every repetition is bounded, so that no file can make a search take longer than its length allows."""

_DICTIONARY_BYTES = 1_024
"""Within so many bytes after its type, the dictionary of an object stream ends; real ones take a hundred."""

_MOST_STREAMS = 20_000
"""Object streams that are looked at; each usually holds a hundred objects, so no document of 600 pages has as many."""

_MOST_UNPACKED = 64 * 2**20
"""Bytes that are unpacked of one PDF, in all: half a second's work. The objects of 600 pages take less than 2 MB."""

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
    revised files keep old pages, and outlines have counts as well, so the smaller number is the likelier. Where that
    takes too many streams, or unpacks more than 64 MB, the pages are not known.
    """
    pages = told = 0
    try:
        for part in _parts(data):
            pages += sum(1 for _ in _PAGE.finditer(part))
            told = max(told, max((int(found[1]) for found in _COUNT.finditer(part)), default=0))
    except OverflowError:
        return 0
    return min(filter(None, (pages, told)), default=0)


def _parts(data: bytes) -> Iterator[bytes]:
    """Yield a PDF and what its object streams hold, one in memory at a time.

    Raises
    ------
    OverflowError
        Where they hold more than is unpacked of one PDF.
    """
    yield data
    left, streams, place = _MOST_UNPACKED, 0, 0
    while (place := data.find(b"/ObjStm", place)) >= 0:
        place += len(b"/ObjStm")
        streams += 1
        if streams > _MOST_STREAMS:
            raise OverflowError
        start = _STREAM.search(data, place, place + _DICTIONARY_BYTES)
        if start is None:
            continue
        end = data.find(b"endstream", start.end())
        if end < 0:  # cut off; no later stream has an end either
            return
        place = end
        try:
            part = zlib.decompressobj().decompress(memoryview(data)[start.end() : end], left + 1)
        except zlib.error:
            continue
        left -= len(part)
        if left < 0:
            raise OverflowError
        yield part


def is_encrypted(data: bytes) -> bool:
    """Tell whether a PDF is encrypted, which the API does not read (PDF support page, September 2026)."""
    return _ENCRYPTED.search(data) is not None
