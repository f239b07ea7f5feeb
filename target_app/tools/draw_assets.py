"""Draws the shop's font and bitmaps into `static/`.

    python -m target_app.tools.draw_assets

The drawings are committed, so this only has to run when they are to look different. It needs
fontTools and Pillow, which the shop itself does not.
"""

from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from fontTools.fontBuilder import FontBuilder  # type: ignore[import-untyped]
from fontTools.pens.ttGlyphPen import TTGlyphPen  # type: ignore[import-untyped]
from PIL import Image, ImageDraw, ImageFilter

STATIC = Path(__file__).parents[1] / "static"
PIXEL = 100
SUPERSAMPLING = 2

# Five columns by seven rows, a row being the bits of two hexadecimal digits.
GLYPHS = {
    "0": "0e11131519110e", "1": "040c040404040e", "2": "0e11010204081f", "3": "1f02040201110e",
    "4": "02060a121f0202", "5": "1f101e0101110e", "6": "0608101e11110e", "7": "1f010204080808",
    "8": "0e11110e11110e", "9": "0e11110f01020c", "A": "0e11111f111111", "B": "1e11111e11111e",
    "C": "0e11101010110e", "D": "1c12111111121c", "E": "1f10101e10101f", "F": "1f10101e101010",
    "G": "0e11101711110f", "H": "1111111f111111", "I": "0e04040404040e", "J": "0702020202120c",
    "K": "11121418141211", "L": "1010101010101f", "M": "111b1515111111", "N": "11111915131111",
    "O": "0e11111111110e", "P": "1e11111e101010", "Q": "0e11111115120d", "R": "1e11111e141211",
    "S": "0f10100e01011e", "T": "1f040404040404", "U": "1111111111110e", "V": "11111111110a04",
    "W": "11111115151b11", "X": "11110a040a1111", "Y": "1111110a040404", "Z": "1f01020408101f",
    " ": "00000000000000", ".": "00000000000c0c", ",": "000000000c0408", "-": "0000001f000000",
    "&": "0c12140815120d", "€": "07081e081e0807",
}  # fmt: skip


def draw_font(path: Path) -> None:
    """A pixel font for the name of the shop and its prices."""
    characters = {ord(char): f"glyph{ord(char):04X}" for char in GLYPHS}
    names = [".notdef", *characters.values()]
    glyphs = {".notdef": TTGlyphPen(None).glyph()}
    metrics = {".notdef": (6 * PIXEL, 0)}
    for char, rows in GLYPHS.items():
        ink = [
            (column, 6 - row)
            for row, bits in enumerate(bytes.fromhex(rows))
            for column in range(5)
            if bits >> (4 - column) & 1
        ]
        first = min((x for x, _ in ink), default=0)
        last = max((x for x, _ in ink), default=2)
        name = characters[ord(char)]
        glyphs[name] = _glyph([(x - first, y) for x, y in ink])
        metrics[name] = ((last - first + 2) * PIXEL, 0)

    font = FontBuilder(unitsPerEm=10 * PIXEL, isTTF=True)
    font.setupGlyphOrder(names)
    font.setupCharacterMap(characters)
    font.setupGlyf(glyphs)
    font.setupHorizontalMetrics(metrics)
    font.setupHorizontalHeader(ascent=8 * PIXEL, descent=-2 * PIXEL)
    font.setupNameTable({"familyName": "Ticket", "styleName": "Regular"})
    font.setupOS2(sTypoAscender=8 * PIXEL, sTypoDescender=-2 * PIXEL)
    font.setupPost()
    font.font["head"].created = font.font["head"].modified = 0
    font.font.recalcTimestamp = False
    font.font.flavor = "woff2"
    font.save(path)


def _glyph(pixels: list[tuple[int, int]]) -> Any:
    pen = TTGlyphPen(None)
    for column, row in pixels:
        left, bottom = column * PIXEL, row * PIXEL
        pen.moveTo((left, bottom))
        pen.lineTo((left, bottom + PIXEL))
        pen.lineTo((left + PIXEL, bottom + PIXEL))
        pen.lineTo((left + PIXEL, bottom))
        pen.closePath()
    return pen.glyph()


def draw_hero(path: Path, width: int = 1200, height: int = 400) -> None:
    """Hills in the haze, the nearest darkest."""
    size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
    image = Image.linear_gradient("L").resize(size)
    image = Image.composite(Image.new("RGB", size, "#f6ecd8"), Image.new("RGB", size, "#cfdfe0"), image)
    draw = ImageDraw.Draw(image)
    sun_x, sun_y, sun_radius = size[0] * 0.78, size[1] * 0.36, size[1] * 0.14
    draw.circle((sun_x, sun_y), sun_radius, fill="#f2c078")
    rng = Random(7)
    for depth, colour in enumerate(("#c3d3c9", "#a5bdb0", "#7fa08f")):
        ridge = _ridge(rng, size[0], size[1] * (0.55 + 0.14 * depth), size[1] * 0.16)
        draw.polygon([(0, size[1]), *ridge, (size[0], size[1])], fill=colour)
    image = image.filter(ImageFilter.GaussianBlur(1)).resize((width, height))
    grain = Image.frombytes("L", image.size, rng.randbytes(width * height)).convert("RGB")
    Image.blend(image, grain, 0.04).save(path, quality=82, method=6)


def _ridge(rng: Random, width: int, middle: float, swing: float) -> list[tuple[float, float]]:
    points = [middle, middle]
    while len(points) < 1_025:
        between = [(a + b) / 2 + swing * (rng.random() - 0.5) for a, b in pairwise(points)]
        points = [*(y for pair in zip(points, between, strict=False) for y in pair), points[-1]]
        swing *= 0.52
    return [(width * index / 1_024, y) for index, y in enumerate(points)]


def draw_stamp(path: Path, size: int = 96) -> None:
    """The guarantee's stamp: a ring, and a tick in it."""
    scale = size * 4
    image = Image.new("RGBA", (scale, scale), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    for inset, width in ((0.04, 0.05), (0.13, 0.02)):
        box = (scale * inset, scale * inset, scale * (1 - inset), scale * (1 - inset))
        draw.ellipse(box, outline="#b4532a", width=int(scale * width))
    tick = [(scale * x, scale * y) for x, y in ((0.3, 0.52), (0.45, 0.67), (0.72, 0.36))]
    draw.line(tick, fill="#b4532a", width=int(scale * 0.07), joint="curve")
    image.resize((size, size), Image.Resampling.LANCZOS).save(path, optimize=True)


if __name__ == "__main__":
    draw_font(STATIC / "ticket.woff2")
    draw_hero(STATIC / "hero.webp")
    draw_stamp(STATIC / "stamp.png")
