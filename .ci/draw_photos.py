"""Draw the pictures of the demo tickets: ``python .ci/draw_photos.py``. Simple shapes, so that they stay tiny."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

FOLDER = Path(__file__).parent.parent / "claude_parallel" / "simulation" / "demo_data" / "photos"
SIZE = (160, 120)
SCALE = 4
"""Drawn so much larger and made smaller again, for smooth edges."""
COLOURS = 24
"""A palette of so many colours keeps a picture below 3 kB."""

Draw = ImageDraw.ImageDraw
INK, CRACK, TABLE = "#3d3a36", "#1f1d1b", "#d8cbb8"


def kettle(draw: Draw) -> None:
    """A kettle with a crack and a puddle."""
    draw.ellipse((35, 98, 125, 112), fill="#a9cbe0")
    draw.polygon([(52, 100), (108, 100), (98, 38), (62, 38)], fill="#f4f1ec", outline=INK)
    draw.polygon([(62, 52), (38, 44), (58, 66)], fill="#f4f1ec", outline=INK)
    draw.arc((92, 40, 132, 92), 270, 90, fill=INK, width=5)
    draw.rectangle((70, 30, 90, 38), fill=INK)
    draw.line([(74, 44), (80, 58), (73, 70), (82, 84), (77, 99)], fill=CRACK, width=2)


def lamp(draw: Draw) -> None:
    """A desk lamp with a bent arm."""
    draw.ellipse((40, 96, 92, 110), fill=INK)
    draw.line([(66, 100), (60, 66), (84, 60), (74, 34)], fill="#b0532f", width=5)
    draw.polygon([(66, 22), (92, 28), (102, 56), (58, 46)], fill="#c96a41", outline=INK)


def mug(draw: Draw) -> None:
    """A mug beside its handle."""
    draw.rounded_rectangle((40, 42, 92, 104), 8, fill="#4d7f8c", outline=INK)
    draw.ellipse((40, 36, 92, 50), fill="#e9e4da", outline=INK)
    draw.arc((108, 76, 140, 108), 200, 60, fill="#4d7f8c", width=7)
    draw.polygon([(90, 58), (97, 60), (91, 64)], fill="#e9e4da")
    draw.polygon([(90, 88), (98, 90), (91, 95)], fill="#e9e4da")


def parcel(draw: Draw) -> None:
    """A parcel that is torn open."""
    draw.polygon([(28, 50), (116, 50), (136, 36), (48, 36)], fill="#cfa777", outline=INK)
    draw.rectangle((28, 50, 116, 106), fill="#c0935f", outline=INK)
    draw.polygon([(116, 50), (136, 36), (136, 92), (116, 106)], fill="#a97f4f", outline=INK)
    draw.rectangle((66, 50, 78, 106), fill="#e6d3b3")
    draw.polygon([(28, 62), (50, 70), (36, 76), (56, 88), (32, 90), (28, 98)], fill="#4a3a28")


def chair(draw: Draw) -> None:
    """A chair with one short leg."""
    wood = "#8a5a33"
    draw.line([(54, 20), (54, 108)], fill=wood, width=6)
    draw.line([(98, 64), (98, 92)], fill=wood, width=6)
    draw.line([(70, 64), (70, 112)], fill=wood, width=5)
    draw.line([(110, 66), (110, 112)], fill=wood, width=5)
    draw.polygon([(50, 62), (98, 62), (114, 72), (64, 72)], fill="#a26c40", outline=INK)
    for top in (26, 38, 50):
        draw.line([(54, top), (92, top)], fill=wood, width=5)
    draw.line([(92, 20), (96, 62)], fill=wood, width=5)


def plate(draw: Draw) -> None:
    """A plate with a chip."""
    draw.ellipse((34, 18, 126, 110), fill="#f5f2ec", outline=INK)
    draw.ellipse((52, 36, 108, 92), outline="#8fa7b5", width=3)
    draw.polygon([(112, 28), (128, 30), (124, 50), (114, 42), (108, 38)], fill=TABLE)
    draw.line([(108, 38), (114, 42), (124, 50)], fill=INK, width=1)


def rug(draw: Draw) -> None:
    """A striped rug with a stain."""
    draw.rectangle((20, 24, 140, 100), fill="#d9c08c", outline=INK)
    for left in range(28, 140, 20):
        draw.rectangle((left, 25, left + 8, 99), fill="#a8443a")
    draw.ellipse((64, 46, 102, 78), fill="#3b2c24")
    draw.ellipse((92, 62, 110, 76), fill="#3b2c24")


def clock(draw: Draw) -> None:
    """A clock whose glass is cracked."""
    draw.ellipse((32, 12, 128, 108), fill="#f7f5f0", outline="#2f4858", width=6)
    for at, box in enumerate(((78, 20, 82, 28), (78, 92, 82, 100), (40, 58, 48, 62), (112, 58, 120, 62))):
        draw.rectangle(box, fill=INK if at < 2 else "#2f4858")
    draw.line([(80, 60), (80, 34)], fill=INK, width=3)
    draw.line([(80, 60), (98, 72)], fill=INK, width=3)
    draw.line([(38, 60), (58, 52), (70, 64), (92, 54), (104, 66), (122, 60)], fill=CRACK, width=1)


class Enlarged:
    """An ``ImageDraw`` whose coordinates and line widths are multiplied by :data:`SCALE`."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw

    def __getattr__(self, name: str) -> Any:
        def paint(where: Any, *rest: float, width: int = 1, **colours: str) -> None:
            points = [tuple(SCALE * at for at in point) if isinstance(point, tuple) else SCALE * point
                      for point in where]  # fmt: skip
            rest = tuple(SCALE * at for at in rest) if name == "rounded_rectangle" else rest  # angles stay
            getattr(self._draw, name)(points, *rest, width=SCALE * width, **colours)

        return paint


def main() -> None:
    """Draw all."""
    FOLDER.mkdir(exist_ok=True)
    for paint in (kettle, lamp, mug, parcel, chair, plate, rug, clock):
        picture = Image.new("RGB", (SIZE[0] * SCALE, SIZE[1] * SCALE), "#eef0ec")
        draw = ImageDraw.Draw(picture)
        draw.rectangle((0, 96 * SCALE, SIZE[0] * SCALE, SIZE[1] * SCALE), fill=TABLE)
        paint(Enlarged(draw))
        small = picture.resize(SIZE, Image.Resampling.LANCZOS).quantize(COLOURS)
        small.save(FOLDER / f"{paint.__name__}.png", optimize=True)


if __name__ == "__main__":
    main()
