"""Images and documents: what a cell may hold, what is sent, and what is refused before it is sent."""

from __future__ import annotations

import base64
import io
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_parallel.attachments import blocks as attachments
from claude_parallel.attachments.blocks import (
    AttachmentError,
    check_blocks,
    document_blocks,
    estimate_tokens,
    image_blocks,
)
from claude_parallel.attachments.sniffing import (
    HIGH_RESOLUTION,
    STANDARD_RESOLUTION,
    image_size,
    image_tokens,
    pdf_pages,
    sniff,
)
from claude_parallel.errors import InputError
from claude_parallel.simulation import simulator


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int = 3, height: int = 2, padding: int = 0) -> bytes:
    """Return a grey PNG; `padding` adds bytes in a comment."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    comment = chunk(b"tEXt", b"Comment\0" + b"x" * padding) if padding else b""
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + header + comment + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg(width: int = 3, height: int = 2, frame: int = 0xC0, metadata: int = 10) -> bytes:
    """Return the skeleton of a JPEG: metadata, a table, a fill byte, a frame header, an end."""
    exif = b"\xff\xe1" + struct.pack(">H", 2 + metadata) + b"\xff" * metadata
    table = b"\xff\xc4" + struct.pack(">H", 4) + b"ab"
    start = b"\xff\xff" + bytes([frame]) + struct.pack(">HBHHB", 17, 8, height, width, 3) + b"\0" * 9
    return b"\xff\xd8" + exif + table + start + b"\xff\xd9"


def gif(width: int = 3, height: int = 2) -> bytes:
    """Return the skeleton of a GIF."""
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0;"


def webp(kind: bytes, width: int = 3, height: int = 2) -> bytes:
    """Return the skeleton of a WebP: lossy, lossless or extended."""
    body = {
        b"VP8 ": b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height),
        b"VP8L": b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + b"\0" * 5,
        b"VP8X": b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"),
    }[kind]
    inner = b"WEBP" + kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def pdf(pages: int = 2, packed: bool = False, extra: bytes = b"") -> bytes:
    """Return the skeleton of a PDF, its pages plain or in a compressed object stream."""
    kids = b"".join(b"<< /Type /Page /Parent 1 0 R >>\n" for _ in range(pages))
    body = b"<< /Type /Pages /Count %d >>\n" % pages + kids
    if packed:
        data = zlib.compress(body)
        body = b"5 0 obj << /Type /ObjStm /N 9 /Length %d >>\nstream\n%b\nendstream\n" % (len(data), data)
    return b"%PDF-1.7\n" + body + extra + b"\n%%EOF\n"


IMAGES = {
    "image/png": png(),
    "image/jpeg": jpeg(),
    "image/gif": gif(),
    "image/webp": webp(b"VP8 "),
}


def data_of(block: dict[str, Any]) -> bytes:
    """Return the bytes that a block sends."""
    return base64.b64decode(block["source"]["data"])


@pytest.mark.parametrize(("kind", "data"), IMAGES.items())
def test_every_format_is_known_by_its_bytes_whatever_the_files_name(kind: str, data: bytes, tmp_path: Path) -> None:
    """A path, as text or as Path, becomes a base64 block of the right type."""
    path = tmp_path / "picture.dat"
    path.write_bytes(data)
    wanted = {
        "type": "image",
        "source": {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode()},
    }

    assert image_blocks(path) == image_blocks(str(path)) == image_blocks(path.as_uri()) == [wanted]


@pytest.mark.parametrize("data", [*IMAGES.values(), png(40, 40)])
def test_bytes_and_base64_give_the_same_block_as_a_file(data: bytes) -> None:
    """It does not matter how the bytes come."""
    text = base64.b64encode(data).decode()
    forms = [
        data,
        bytearray(data),
        memoryview(data),
        text,
        text[:8] + "\n" + text[8:],
        f"data:image/png;base64,{text}",
        {"bytes": data, "path": None},
        {"bytes": data, "path": "elsewhere.png"},
    ]

    assert all(data_of(block) == data for form in forms for block in image_blocks(form))
    assert all(len(image_blocks(form)) == 1 for form in forms)


@pytest.mark.parametrize("url", ["https://example.org/a.png", "http://example.org/a b.png", " HTTPS://example.org/a "])
def test_a_web_address_is_left_to_the_api(url: str) -> None:
    """Nothing is fetched here."""
    source = {"type": "url", "url": url.strip()}

    assert image_blocks(url) == [{"type": "image", "source": source}]
    assert document_blocks(url) == [{"type": "document", "source": source}]


@pytest.mark.parametrize("cell", [None, float("nan"), np.float64("nan"), pd.NA, pd.NaT, "", "  ", [], [None, ""]])
def test_a_missing_cell_has_no_blocks(cell: Any) -> None:
    """Whether the row is skipped is the caller's decision."""
    assert image_blocks(cell) == []
    assert document_blocks(cell) == []


def test_a_list_gives_a_block_each_and_passes_over_gaps(tmp_path: Path) -> None:
    """Lists, tuples and the arrays of list columns are opened, blocks passed on."""
    path = tmp_path / "a.png"
    path.write_bytes(png())
    block = {"type": "image", "source": {"type": "file", "file_id": "file_1"}}
    cells = [str(path), None, [gif(), block]]
    column = np.empty(3, dtype=object)
    column[:] = cells

    kinds = [block["source"].get("media_type", "file") for block in image_blocks(cells)]
    assert kinds == ["image/png", "image/gif", "file"]
    assert image_blocks(column) == image_blocks(tuple(cells)) == image_blocks(cells)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "'.*picture.png' is empty"),
        (b"hello", "is no JPEG, PNG, GIF or WebP image"),
        (b"BM" + b"\0" * 60, "is no JPEG, PNG, GIF or WebP image"),
        (pdf(), "is a PDF; give it with documents="),
        (png()[:20], "is a broken png image"),
        (png()[:-12], "is a broken png image"),
        (png(0, 5), "is a broken png image"),
        (jpeg()[:20], "is a broken jpeg image"),
        (jpeg()[:-2], "is a broken jpeg image"),
        (b"\xff\xd8\xff\xd9", "is a broken jpeg image"),
        (gif()[:7], "is a broken gif image"),
        (webp(b"VP8 ")[:-3], "is a broken webp image"),
        (b"RIFF\x04\0\0\0WEBPXXXX", "is a broken webp image"),
        (png(8001, 1), "has 8001x1 pixels, the API takes 8000x8000; .*max_pixels"),
        (png(padding=7_900_000), r"has 10\.\d MB as base64, the API takes 10 MB"),
    ],
)
def test_an_image_that_the_api_would_refuse_is_an_error_that_names_the_file(
    content: bytes, message: str, tmp_path: Path
) -> None:
    """Found before anything is sent."""
    path = tmp_path / "picture.png"
    path.write_bytes(content)

    with pytest.raises(AttachmentError, match=message):
        image_blocks(path)


@pytest.mark.parametrize("data", [png(8000, 1), png(padding=7_800_000)])
def test_an_image_at_the_limits_passes(data: bytes) -> None:
    """8,000 pixels on an edge, 10 MB of base64."""
    assert len(image_blocks(data)) == 1


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("nowhere/at/all.png", "'nowhere/at/all.png' does not exist"),
        (Path("nowhere.png"), "'nowhere.png' does not exist"),
        ({"bytes": None, "path": "gone.png"}, "'gone.png' does not exist"),
        ("x" * 5000, r"'\.\.\.x{80}' cannot be read"),
        ("a\0b", "cannot be read"),
        ("s3://bucket/a.png", "'s3://bucket/a.png' is no address that can be fetched here"),
        ("data:image/png,abc", "data URL without base64"),
        ("data:image/png;base64,a", "is not valid base64"),
        ("data:image/png;base64,", "is empty"),
        ("/9j/not.base64", "does not exist"),
        (b"", "the file in the cell is empty"),
        (5, "the cell holds 'int', which is not a path, URL, bytes or Pillow image"),
        ({"path": None}, "'NoneType', which is not a path"),
        (np.zeros((2, 2), dtype=np.uint8), "'ndarray', which is not a path"),
        (["nowhere.png"], "'nowhere.png' does not exist"),
    ],
)
def test_a_cell_that_leads_nowhere_is_an_error(cell: Any, message: str) -> None:
    """Images and documents fail in the same words."""
    for blocks in (image_blocks, document_blocks):
        with pytest.raises(AttachmentError, match=message):
            blocks(cell)


def test_a_folder_is_an_error(tmp_path: Path) -> None:
    """What cannot be read is told with the system's own reason."""
    with pytest.raises(AttachmentError, match="cannot be read"):
        image_blocks(tmp_path)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png(640, 480), (640, 480)),
        (jpeg(640, 480), (640, 480)),
        (jpeg(640, 480, frame=0xC2), (640, 480)),
        (jpeg(640, 480, metadata=60_000), (640, 480)),
        (gif(640, 480), (640, 480)),
        (webp(b"VP8 ", 640, 480), (640, 480)),
        (webp(b"VP8L", 640, 480), (640, 480)),
        (webp(b"VP8X", 640, 480), (640, 480)),
        (webp(b"VP8L", 16_384, 1), (16_384, 1)),
        (b"", None),
        (b"RIFF", None),
        (png(0, 0), None),
    ],
)
def test_the_size_is_read_from_the_header(data: bytes, size: tuple[int, int] | None) -> None:
    """No library is needed for width and height."""
    assert image_size(data) == size


@given(st.sampled_from([*IMAGES.values(), webp(b"VP8L"), webp(b"VP8X"), pdf(), pdf(packed=True)]), st.data())
@settings(max_examples=100, deadline=None)
def test_no_damage_makes_reading_raise_anything_else(data: bytes, drawn: st.DataObject) -> None:
    """Cut or overwritten files are blocks or AttachmentErrors."""
    cut = data[: drawn.draw(st.integers(1, len(data)))]
    place = drawn.draw(st.integers(0, len(cut) - 1))
    damaged = cut[:place] + drawn.draw(st.binary(max_size=8)) + cut[place:]
    for blocks in (image_blocks, document_blocks):
        try:
            found = blocks(damaged)
        except AttachmentError:
            continue
        assert all(estimate_tokens(block) >= 0 for block in found)


def pillow_image(form: str, width: int, height: int, mode: str = "RGB") -> bytes:
    """Return a real image, coded by Pillow."""
    image = pytest.importorskip("PIL.Image")
    buffer = io.BytesIO()
    image.new(mode, (width, height)).save(buffer, format=form)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("form", "mode", "kind"),
    [
        ("PNG", "RGB", "image/png"),
        ("PNG", "P", "image/png"),
        ("PNG", "RGBA", "image/png"),
        ("PNG", "1", "image/png"),
        ("JPEG", "RGB", "image/jpeg"),
        ("JPEG", "CMYK", "image/jpeg"),
        ("JPEG", "L", "image/jpeg"),
        ("GIF", "P", "image/png"),
        ("WEBP", "RGB", "image/webp"),
    ],
)
def test_large_images_are_scaled_down_on_request_and_keep_their_shape(form: str, mode: str, kind: str) -> None:
    """The format stays, but for GIFs; the product of the edges stays within what was asked."""
    data = pillow_image(form, 400, 100, mode)
    (block,) = image_blocks(data, max_pixels=10_000)

    assert block["source"]["media_type"] == kind
    assert image_size(data_of(block)) == (200, 50)
    assert image_blocks(data, max_pixels=40_000) == image_blocks(data)
    assert image_blocks(data, max_pixels=10_000) == [block]


def test_scaling_down_also_brings_long_edges_within_the_limit() -> None:
    """A panorama that the API would refuse fits once scaling is allowed."""
    (block,) = image_blocks(pillow_image("PNG", 9000, 90), max_pixels=10**9)

    assert image_size(data_of(block)) == (8000, 80)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK", "F", "YCbCr"])
def test_a_pillow_image_of_any_mode_is_sent_as_png(mode: str) -> None:
    """Also scaled down where asked."""
    image = pytest.importorskip("PIL.Image").new(mode, (400, 100))
    (block,) = image_blocks(image)
    (small,) = image_blocks(image, max_pixels=10_000)

    assert block["source"]["media_type"] == "image/png"
    assert image_size(data_of(block)) == (400, 100)
    assert image_size(data_of(small)) == (200, 50)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_photo_that_is_scaled_down_stands_as_its_camera_says(form: str) -> None:
    """Its metadata go with the scaling, so it is turned before."""
    image = pytest.importorskip("PIL.Image")
    turned, buffer = image.Exif(), io.BytesIO()
    turned[0x0112] = 6  # a quarter to the right
    image.new("RGB", (400, 100)).save(buffer, format=form, exif=turned)
    (block,) = image_blocks(buffer.getvalue(), max_pixels=10_000)

    assert image_size(data_of(block)) == (50, 200)


@pytest.mark.parametrize("max_pixels", [None, 10_000])
def test_a_pillow_image_of_a_photo_stands_as_its_camera_says(tmp_path: Path, max_pixels: int | None) -> None:
    """It is sent as PNG, without the note; what was made of it has the way up of its pixels."""
    image = pytest.importorskip("PIL.Image")
    path, turned = tmp_path / "photo.jpg", image.Exif()
    turned[0x0112] = 6  # a quarter to the right
    image.new("RGB", (100, 50)).save(path, exif=turned)
    with image.open(path) as photo:
        (block,) = image_blocks(photo, max_pixels)
        (upright,) = image_blocks(photo.rotate(270, expand=True), max_pixels)

    assert image_size(data_of(block)) == (50, 100)
    assert image_size(data_of(upright)) == (50, 100)


@pytest.mark.parametrize("mode", ["I", "I;16B"])
def test_a_pillow_image_of_16_bits_keeps_its_shades(mode: str) -> None:
    """A scan, as Pillow may hold it: none of its shades becomes white."""
    image = pytest.importorskip("PIL.Image")
    packed = struct.pack("=2i" if mode == "I" else ">2H", 300, 60_000)
    scan = image.frombytes(mode, (2, 1), packed)
    (block,) = image_blocks(scan)

    with image.open(io.BytesIO(data_of(block))) as sent:
        assert [sent.getpixel((x, 0)) for x in (0, 1)] == [300, 60_000]


def test_a_pillow_image_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Pillow opens lazily, so a broken file shows only when it is sent."""
    path = tmp_path / "cut.png"
    path.write_bytes(pillow_image("PNG", 400, 400)[:-80])

    with (
        pytest.importorskip("PIL.Image").open(path) as image,
        pytest.raises(AttachmentError, match="the image in the cell cannot be read by Pillow"),
    ):
        image_blocks(image)


def test_an_image_with_a_good_header_and_a_broken_body_is_an_error_when_scaled() -> None:
    """What Pillow raises is told in the row."""
    with pytest.raises(AttachmentError, match="cannot be read by Pillow"):
        image_blocks(jpeg(4000, 4000), max_pixels=100)


def test_without_pillow_scaling_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only an image that has to be scaled needs it."""
    monkeypatch.setitem(sys.modules, "PIL", None)

    assert image_blocks(png(), max_pixels=100)
    with pytest.raises(InputError, match=r"pip install \"claude-parallel\[images\]\""):
        image_blocks(png(400, 400), max_pixels=100)


@pytest.mark.parametrize("data", [pdf(), pdf(packed=True), b"junk\n" + pdf()])
def test_a_pdf_is_sent_as_base64(data: bytes, tmp_path: Path) -> None:
    """By path, by bytes, by base64."""
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    (block,) = document_blocks(path)

    assert block["type"] == "document"
    assert block["source"]["media_type"] == "application/pdf"
    assert data_of(block) == data
    assert document_blocks(data) == [block]
    assert document_blocks("data:application/pdf;base64," + base64.b64encode(data).decode()) == [block]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a,b\n1,2\n", "a,b\n1,2\n"),
        ("Grüße 🌍".encode(), "Grüße 🌍"),
        (b"\xef\xbb\xbfmarked", "marked"),
        ("wide".encode("utf-16"), "wide"),
    ],
)
def test_a_text_file_is_sent_as_text(content: bytes, text: str, tmp_path: Path) -> None:
    """UTF-8, with or without a mark, and marked UTF-16."""
    path = tmp_path / "a.csv"
    path.write_bytes(content)

    source = {"type": "text", "media_type": "text/plain", "data": text}
    assert document_blocks(path) == [{"type": "document", "source": source}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n ", "is empty"),
        (b"PK\x03\x04\x14\0\0\0", "is neither a PDF nor a UTF-8 text"),
        ("Grüße".encode("latin-1"), "is neither a PDF nor a UTF-8 text"),
        (png(), "is an image; give it with images="),
        (b"%PDF-1.7\nnothing", "is a broken PDF, it has no page"),
        (pdf(extra=b"trailer << /Encrypt 9 0 R >>"), "is an encrypted PDF"),
        (pdf(601), "has 601 pages, the API takes 600"),
        (pdf(601, packed=True), "has 601 pages, the API takes 600"),
        (pdf(extra=b"x" * 25_200_000), r"has 32\.\d MB as base64, a request takes 32 MB"),
    ],
)
def test_a_document_that_the_api_would_refuse_is_an_error(content: bytes, message: str, tmp_path: Path) -> None:
    """Found before anything is sent, with the file's name."""
    path = tmp_path / "a.doc"
    path.write_bytes(content)

    with pytest.raises(AttachmentError, match=f"'.*a.doc' {message}"):
        document_blocks(path)


@pytest.mark.parametrize(
    ("data", "pages"),
    [
        (pdf(1), 1),
        (pdf(7), 7),
        (pdf(7, packed=True), 7),
        (pdf(3) + pdf(3), 3),
        (pdf(3, extra=b"<< /Type /Outlines /Count 99 >>"), 3),
        (b"%PDF-1.7 << /Type /Page >>", 1),
        (b"%PDF-1.7 << /Type /ObjStm >>\nstream\nbroken\nendstream", 0),
    ],
)
def test_pages_are_counted_without_opening_the_pdf(data: bytes, pages: int) -> None:
    """Plain or packed; old revisions and outlines do not add to the count."""
    assert pdf_pages(data) == pages


@pytest.mark.parametrize(
    ("size", "standard", "high"),
    [
        ((200, 200), 64, 64),
        ((1000, 1000), 1296, 1296),
        ((1092, 1092), 1521, 1521),
        ((1920, 1080), 1560, 2691),
        ((2000, 1500), 1564, 3888),
        ((3840, 2160), 1560, 4784),
        ((1, 1), 1, 1),
        ((8000, 1), 56, 92),
    ],
)
def test_image_tokens_are_those_of_the_documented_table(size: tuple[int, int], standard: int, high: int) -> None:
    """Never below the documented number, at most 1 % above. Source: vision page (September 2026)."""
    for resolution, wanted in ((STANDARD_RESOLUTION, standard), (HIGH_RESOLUTION, high)):
        assert wanted <= image_tokens(*size, resolution) <= wanted * 1.01


@given(st.integers(1, 8000), st.integers(1, 8000))
@settings(max_examples=100, deadline=None)
def test_image_tokens_do_not_depend_on_the_side_and_never_pass_the_cap(width: int, height: int) -> None:
    """Turning an image changes nothing, and no image costs more than the cap."""
    tokens = image_tokens(width, height)

    assert tokens == image_tokens(height, width)
    assert 1 <= tokens <= HIGH_RESOLUTION[1]


@pytest.mark.parametrize(
    ("block", "tokens"),
    [
        (image_blocks(png(1000, 1000))[0], 1296),
        (image_blocks(jpeg(1000, 1000, metadata=60_000))[0], 1296),
        (image_blocks("https://example.org/a.png")[0], 4784),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, 4784),
        (document_blocks(pdf(3))[0], 3 * 4568),
        (document_blocks(pdf(3, packed=True))[0], 3 * 4568),
        (document_blocks("https://example.org/a.pdf")[0], 10 * 4568),
        (document_blocks(b"x" * 300)[0], 100),
    ],
)
def test_blocks_are_weighed_before_they_are_sent(block: dict[str, Any], tokens: int) -> None:
    """Images by their pixels, PDFs by their pages, texts by their length."""
    assert estimate_tokens(block) == tokens


SMALL = image_blocks(png())[0]
WIDE = image_blocks(png(2001, 1))[0]
BOOK = document_blocks(pdf(300))[0]
TEXT = {"type": "text", "text": "hi"}


@pytest.mark.parametrize(
    "blocks",
    [[], [SMALL] * 600, [WIDE] * 20 + [TEXT], [BOOK] * 2],
)
def test_a_request_within_the_limits_passes(blocks: list[dict[str, Any]]) -> None:
    """600 images or pages."""
    check_blocks(blocks)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([SMALL] * 601, "601 images, one request takes 600"),
        ([SMALL] * 20 + [WIDE], "above 20 none may have an edge above 2000 pixels; one has 2001x1"),
        ([BOOK] * 3, "900 pages, one request takes 600"),
        ([image_blocks(png(padding=7_000_000))[0]] * 4, "one request takes 32 MB"),
    ],
)
def test_a_request_beyond_the_limits_is_an_error(blocks: list[dict[str, Any]], message: str) -> None:
    """Each cell may be fine and all together too much."""
    with pytest.raises(AttachmentError, match=message):
        check_blocks(blocks)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "source": "cat.png"},
        {"type": "image", "source": None},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": None}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": b"abc"}},
        {"type": "image", "source": {"type": "url", "url": Path("cat.png")}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}, "order": float("nan")},
    ],
)
def test_a_content_block_that_is_none_costs_its_own_row_alone(block: dict[str, Any]) -> None:
    """The other rows are asked."""
    frame = pd.DataFrame({"picture": [png(), block, png(3, 3)]})
    with simulator(latency_seconds=0.01):
        out = frame.claude.map("What is this?", images="picture", progress=False, journal=False)
    assert out["response_error"].isna().tolist() == [True, False, True]
    assert out["response_error"][1].startswith("invalid: column 'picture': the cell's content block ")


def test_files_are_read_only_when_asked_and_not_kept(tmp_path: Path) -> None:
    """The same call sees the file as it is now."""
    path = tmp_path / "a.png"
    path.write_bytes(png(3, 2))
    before = image_blocks(path)
    path.write_bytes(png(4, 2))

    assert before != image_blocks(path)


def test_the_public_names_are_those_of_all() -> None:
    """What other modules may use."""
    assert all(hasattr(attachments, name) for name in attachments.__all__)
    assert sniff(b"plain text") is None
