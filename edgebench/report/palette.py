"""Colours: one per tier for ever, and sentinels that become theme-aware paint in the finished SVG."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

INK = "#010203"
"""Sentinel drawn by matplotlib, replaced by currentColor: axes, text and the baseline."""
MUTED = "#040506"
"""Sentinel of secondary text."""
PAPER = "#070809"
"""Sentinel of the page's background: the halo behind labels, the filling of hollow markers."""

# Sentinel or Okabe-Ito colour -> (custom property of the page, light and dark colour of a standalone file).
PAINT: Mapping[str, tuple[str, str, str]] = {
    MUTED: ("--muted", "#5a6472", "#9aa5b1"),
    PAPER: ("--paper", "#ffffff", "#12161b"),
    "#0072b2": ("--blue", "#0072b2", "#3d9fdc"),
    "#d55e00": ("--vermillion", "#c65600", "#f0802b"),
    "#009e73": ("--green", "#00845f", "#1fbf8f"),
    "#cc79a7": ("--purple", "#b4568a", "#dd8fba"),
    "#7a7f87": ("--grey", "#6b717a", "#9aa1ab"),
}

_HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
_GREY = "#7a7f87"
_KNOWN: Mapping[str, int] = {"nginx": 0, "varnish": 1, "squid": 2, "ats": 3, "trafficserver": 3}
_MARKERS = ("o", "s", "^", "D", "v", "<", ">", "*", "P", "X")
_DASHES: tuple[tuple[float, ...], ...] = ((), (6, 1.6), (3, 1.2), (7, 1.6, 1.4, 1.6), (1.4, 1.4), (9, 3), (4, 3))
BASELINE_DASH = (4.0, 2.2)


@dataclass(frozen=True, slots=True)
class TierStyle:
    """How one tier is drawn everywhere: colour, marker and dash, so that colour is never alone."""

    colour: str
    marker: str
    dash: tuple[float, ...]
    """Empty: a solid line."""

    @property
    def linestyle(self) -> tuple[float, tuple[float, ...] | None]:
        return (0.0, self.dash or None)


def tier_styles(
    tiers: Iterable[str], uncached: Collection[str], kinds: Mapping[str, str] | None = None
) -> dict[str, TierStyle]:
    """A style per tier name. Known caches keep theirs in every report; others take what is left, then grey.

    Where there are more tiers than hues, those of one kind share its hue and differ by marker.
    """
    names = list(dict.fromkeys(tiers))
    cached = [name for name in names if name not in uncached]
    families = kinds or {} if len(cached) > len(_HUES) else {}
    family = {name: families.get(name, name) for name in cached}
    known = {name: _KNOWN[name] for name in family.values() if name in _KNOWN}
    free = [hue for hue in range(len(_HUES)) if hue not in known.values()]
    styles: dict[str, TierStyle] = {}
    hues = dict(known)
    looks = len(_HUES)
    for name in names:
        if name in uncached:
            styles[name] = TierStyle(INK, "x", BASELINE_DASH)
            continue
        kind = family[name]
        if kind not in hues and free and kind != "haproxy":
            hues[kind] = free.pop(0)
        look = hues.get(kind, len(_HUES))
        colour = _HUES[look] if look < len(_HUES) else _GREY
        if look >= len(_HUES) or any(style.colour == colour for style in styles.values()):
            look, looks = looks, looks + 1
        styles[name] = TierStyle(colour, _MARKERS[look % len(_MARKERS)], _DASHES[look % len(_DASHES)])
    return styles
