"""The demo catalogue: made up from a seed, the same on every machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from target_app.catalogue import Product

PRODUCT_COUNT = 10_000
SEED = 20_240_229

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Department:
    """A category, what it sells, and roughly at what price."""

    slug: str
    code: str
    nouns: tuple[str, ...]
    lowest_cents: int
    highest_cents: int


DEPARTMENTS = (
    Department("kitchen", "KIT", ("Bowl", "Kettle", "Pan", "Ladle", "Board", "Jug"), 690, 8900),
    Department("lighting", "LGT", ("Lamp", "Lantern", "Pendant", "Spot", "Sconce"), 1490, 24900),
    Department("garden", "GDN", ("Trowel", "Planter", "Bench", "Spade", "Pot"), 590, 18900),
    Department("textiles", "TXT", ("Throw", "Towel", "Cushion", "Rug", "Apron"), 990, 15900),
    Department("office", "OFC", ("Notebook", "Tray", "Clock", "Desk Pad", "Shelf"), 390, 12900),
    Department("outdoor", "OUT", ("Flask", "Backpack", "Stool", "Blanket", "Mug"), 1290, 19900),
    Department("bath", "BTH", ("Brush", "Mirror", "Soap Dish", "Basket", "Mat"), 490, 7900),
    Department("toys", "TOY", ("Blocks", "Puzzle", "Kite", "Train", "Spinning Top"), 790, 5900),
)
CATEGORIES = tuple(department.slug for department in DEPARTMENTS)

STYLES = (
    "Alder", "Amble", "Birch", "Brook", "Clover", "Copse", "Dale", "Ember", "Fallow", "Fern",
    "Fjord", "Harbour", "Heath", "Juniper", "Larch", "Linden", "Marsh", "Meadow", "Moor", "North",
    "Orchard", "Pebble", "Rowan", "Sedge", "Tarn", "Thistle", "Vale", "Willow", "Wren", "Yarrow",
)  # fmt: skip
MATERIALS = (
    "Ash", "Bamboo", "Beech", "Brass", "Cast Iron", "Ceramic", "Cork", "Cotton", "Felt", "Glass",
    "Linen", "Oak", "Recycled Steel", "Slate", "Stoneware", "Walnut", "Wool",
)  # fmt: skip
SIZES = ("Small", "Medium", "Large", "Set of Two", "Set of Four")
COLOURS = ("chalk white", "deep green", "indigo", "mustard", "rust", "sand", "smoke grey", "teal")
MAKERS = (
    "a family workshop in its third generation",
    "a small studio of five",
    "a cooperative on the coast",
    "two sisters and a very old lathe",
    "a foundry that has never moved",
)
USES = (
    "It is meant to be used daily and to look better for it.",
    "It stacks, it hangs, and it fits where others do not.",
    "It is light enough to carry and heavy enough to stay put.",
    "It takes knocks well, and what wears out can be replaced.",
    "It was drawn for small rooms and does not mind large ones.",
)
CARES = (
    "Wipe it with a damp cloth and let it dry in the air.",
    "Wash it by hand; a dishwasher takes the shine away.",
    "A little oil once a year is all the care it asks for.",
    "Keep it dry over winter and it will outlast the house.",
)


def generate_products(count: int = PRODUCT_COUNT, seed: int = SEED) -> Iterator[Product]:
    """The first `count` products of the catalogue that `seed` stands for."""
    rng = Random(seed)
    for product_id in range(1, count + 1):
        yield _product(rng, product_id)


def _product(rng: Random, product_id: int) -> Product:
    department = _pick(rng, DEPARTMENTS)
    style, material = _pick(rng, STYLES), _pick(rng, MATERIALS)
    noun, size, colour = _pick(rng, department.nouns), _pick(rng, SIZES), _pick(rng, COLOURS)
    span = department.highest_cents - department.lowest_cents
    # Squared, so that most things are cheap; then down to the usual .90.
    price = department.lowest_cents + int(span * rng.random() ** 2)
    description = (
        f"{style} is our {noun.lower()} in {material.lower()}, made by {_pick(rng, MAKERS)}. "
        f"{_pick(rng, USES)} {_pick(rng, CARES)}\n"
        f"In {colour}, {size.lower()}; {_whole(rng, 8, 60)} by {_whole(rng, 8, 60)} by "
        f"{_whole(rng, 2, 40)} cm, {_whole(rng, 120, 4_800)} g.\n"
        f"Two years' guarantee, spare parts for {_whole(rng, 5, 15)} years."
    )
    return Product(
        id=product_id,
        sku=f"{department.code}-{product_id:05}",
        name=f"{style} {material} {noun}, {size}",
        category=department.slug,
        price_cents=price // 100 * 100 + 90,
        stock=_whole(rng, 0, 240),
        description=description,
        version=1,
    )


# Of Random's methods, only random() is promised to give the same numbers in every Python version.
def _pick(rng: Random, options: Sequence[T]) -> T:
    return options[int(rng.random() * len(options))]


def _whole(rng: Random, low: int, high: int) -> int:
    return low + int(rng.random() * (high - low + 1))
