"""Cells that stand for images and documents, as content blocks: read when asked, checked before sending.

What the bytes say about themselves is read in ``sniffing``, where they come from in ``cells``; which cells go with
which row is decided by the caller. Nothing is kept: a file is forgotten with its block.
"""

from __future__ import annotations

import base64
import codecs
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import InputError
from .cells import AttachmentError, bytes_of, items, name_of, url_of
from .pillow import shrink, to_png
from .sniffing import IMAGE_TYPES, image_size, is_cut, is_encrypted, pdf_pages, sniff
from .token_estimates import block_pages, block_size, estimate_tokens

__all__ = ["AttachmentError", "Block", "check_blocks", "document_blocks", "estimate_tokens", "image_blocks"]

Block = dict[str, Any]

MAX_IMAGE_BASE64 = 10 * 2**20
"""Characters of one image; 5 MB on Bedrock and Google Cloud.

Source: vision page, "Request limits" (September 2026).
"""

MAX_REQUEST_BYTES = 32 * 2**20
"""Bytes of one request. Source: API overview, "Request size limits" (September 2026)."""

MAX_SCALED_BYTES = 256 * 2**20
"""Bytes of an image file that is to be scaled down; the largest that Pillow opens (178 million pixels) have less."""

MAX_EDGE_PIXELS = 8000
MAX_EDGE_PIXELS_MANY = 2000
MANY_IMAGES = 20
"""Longest edge of an image, alone and in a request of more than 20 images. Source: as above."""

MAX_IMAGES = 600
MAX_PAGES = 600
"""Images and PDF pages in one request. Source: vision page and PDF support page (September 2026).

Models whose context window is below 1M tokens take 100 of each. They are legacy; the API refuses what is too much.
"""


def image_blocks(cell: Any, max_pixels: int | None = None) -> list[Block]:
    """Return the image blocks that a cell stands for.

    Parameters
    ----------
    cell : Any
        A local path, an http(s) URL (which the API fetches), bytes, a base64 text or data URL, a Pillow
        image, a mapping with ``bytes`` or ``path``, an image block, or a list of these.
    max_pixels : int, optional
        Images of more pixels (width times height) are scaled down to that, keeping their shape, and to the
        API's 8,000 pixels on an edge; needs Pillow. URLs are never touched.

    Returns
    -------
    list of dict
        Content blocks for the wire; none for a missing or empty cell.

    Raises
    ------
    AttachmentError
        Where a file is missing, empty, broken, too large, or no JPEG, PNG, GIF or WebP.
    InputError
        Where an image has to be scaled down and Pillow is not installed.
    """
    return [_image(item, max_pixels) for item in items(cell)]


def document_blocks(cell: Any) -> list[Block]:
    """Return the document blocks that a cell stands for.

    Parameters
    ----------
    cell : Any
        A local path, an http(s) URL of a PDF, bytes, a base64 text or data URL, a mapping with ``bytes`` or
        ``path``, a document block, or a list of these.

    Returns
    -------
    list of dict
        Content blocks for the wire; none for a missing or empty cell.

    Raises
    ------
    AttachmentError
        Where a file is missing, empty, too large, encrypted, or neither PDF nor text.
    """
    return [_document(item) for item in items(cell)]


def check_blocks(blocks: Iterable[Mapping[str, Any]]) -> None:
    """Check what one request may hold in all.

    Parameters
    ----------
    blocks : iterable of mapping
        All content blocks of the request; those that are no images or documents are passed over.

    Raises
    ------
    AttachmentError
        For too many images or pages, for large images among many, and for more bytes than a request may have.
    """
    blocks = list(blocks)
    images = [block for block in blocks if block.get("type") == "image"]
    if len(images) > MAX_IMAGES:
        raise AttachmentError(f"the row has {len(images)} images, one request takes {MAX_IMAGES}")
    if len(images) > MANY_IMAGES:
        for size in filter(None, map(block_size, images)):
            if max(size) > MAX_EDGE_PIXELS_MANY:
                raise AttachmentError(
                    f"the row has {len(images)} images, and above {MANY_IMAGES} none may have an edge above "
                    f"{MAX_EDGE_PIXELS_MANY} pixels; one has {size[0]}x{size[1]}"
                )
    pages = sum(block_pages(block) or 0 for block in blocks if block.get("type") == "document")
    if pages > MAX_PAGES:
        raise AttachmentError(f"the row's documents have {pages} pages, one request takes {MAX_PAGES}")
    weight = sum(len(block["source"].get("data", "")) for block in blocks if "source" in block)
    if weight > MAX_REQUEST_BYTES:
        raise AttachmentError(f"the row's files weigh {_megabytes(weight)}, one request takes 32 MB")


def _image(item: Any, max_pixels: int | None) -> Block:
    if _is_block(item, "image"):
        return _given(item)
    if (url := url_of(item)) is not None:
        return {"type": "image", "source": {"type": "url", "url": url}}
    name = name_of(item)
    if hasattr(item, "save") and hasattr(item, "mode"):
        data = _by_pillow(name, lambda: to_png(item, max_pixels, MAX_EDGE_PIXELS))
    else:
        data = bytes_of(item, MAX_REQUEST_BYTES if max_pixels is None else MAX_SCALED_BYTES)
        _check_image(data, name)
        if max_pixels is not None:
            original, most = data, max_pixels
            data = _by_pillow(name, lambda: shrink(original, most, MAX_EDGE_PIXELS))
    _check_image_limits(data, name)
    return _base64_block("image", sniff(data) or "", data)


def _given(block: Mapping[str, Any]) -> Block:
    """Return a content block that a cell holds as it is; what cannot be one is this row's problem alone."""
    source = block["source"]
    if not isinstance(source, Mapping):
        raise AttachmentError(f"the cell's content block has a source that is {type(source).__name__!r}, not a mapping")
    if not isinstance(data := source.get("data", ""), str):
        raise AttachmentError(
            f"the cell's content block has data that is {type(data).__name__!r}, not base64 text; bytes may stand in "
            "the cell themselves"
        )
    return dict(block)


def _check_image(data: bytes, name: str) -> None:
    kind = sniff(data)
    if kind == "application/pdf":
        raise AttachmentError(f"{name} is a PDF; give it with documents=")
    if kind not in IMAGE_TYPES:
        raise AttachmentError(f"{name} is no JPEG, PNG, GIF or WebP image; convert it")
    if image_size(data) is None or is_cut(data):
        raise AttachmentError(f"{name} is a broken {kind.removeprefix('image/')} image")


def _by_pillow(name: str, work: Callable[[], bytes]) -> bytes:
    try:
        return work()
    except InputError:
        raise
    except Exception as error:  # broken images make Pillow raise many kinds
        raise AttachmentError(f"{name} cannot be read by Pillow ({error})") from error


def _check_image_limits(data: bytes, name: str) -> None:
    width, height = image_size(data) or (0, 0)
    hint = "pass a smaller one, or set max_pixels"
    if max(width, height) > MAX_EDGE_PIXELS:
        raise AttachmentError(f"{name} has {width}x{height} pixels, the API takes 8000x8000; {hint}")
    if (length := _base64_length(data)) > MAX_IMAGE_BASE64:
        raise AttachmentError(f"{name} has {_megabytes(length)} as base64, the API takes 10 MB; {hint}")


def _document(item: Any) -> Block:
    if _is_block(item, "document"):
        return _given(item)
    if (url := url_of(item)) is not None:
        return {"type": "document", "source": {"type": "url", "url": url}}
    name, data = name_of(item), bytes_of(item, MAX_REQUEST_BYTES)
    if _base64_length(data) > MAX_REQUEST_BYTES:
        raise AttachmentError(f"{name} has {_megabytes(_base64_length(data))} as base64, a request takes 32 MB")
    match sniff(data):
        case "application/pdf":
            _check_pdf(data, name)
            return _base64_block("document", "application/pdf", data)
        case None:
            source = {"type": "text", "media_type": "text/plain", "data": _text(data, name)}
            return {"type": "document", "source": source}
        case _:
            raise AttachmentError(f"{name} is an image; give it with images=")


def _check_pdf(data: bytes, name: str) -> None:
    if is_encrypted(data):
        raise AttachmentError(f"{name} is an encrypted PDF, which the API does not read; remove the password")
    pages = pdf_pages(data)
    if pages == 0 and b"/ObjStm" not in data:
        raise AttachmentError(f"{name} is a broken PDF, it has no page")
    if pages > MAX_PAGES:
        raise AttachmentError(f"{name} has {pages} pages, the API takes {MAX_PAGES}; split it")


def _text(data: bytes, name: str) -> str:
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise AttachmentError(f"{name} is neither a PDF nor a UTF-8 text; convert it")
    if not text.strip():
        raise AttachmentError(f"{name} is empty")
    return text


def _base64_block(kind: str, media_type: str, data: bytes) -> Block:
    text = base64.b64encode(data).decode("ascii")
    return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": text}}


def _base64_length(data: bytes) -> int:
    return -(-len(data) // 3) * 4


def _megabytes(length: int) -> str:
    return f"{length / 2**20:.1f} MB"


def _is_block(item: Any, kind: str) -> bool:
    return isinstance(item, Mapping) and item.get("type") == kind and "source" in item
