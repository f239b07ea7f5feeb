"""Numbers as options take them: text from the command line, from a configuration file or from the web UI's form."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

from edgebench.errors import UserError


def checked(option: str, kind: Callable[[Any], Any], value: Any) -> Any:
    """The value as `kind` makes it; UserError that names the option where it cannot."""
    try:
        return kind(value)
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise UserError(f"{option}: {error}") from None


def number(low: float, high: float) -> Callable[[Any], float]:
    """A finite number from `low` to `high`."""

    def convert(text: Any) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"expected a number from {low:g} to {high:g}, not {text!r}")
        return value

    return convert


def whole(low: int, high: int) -> Callable[[Any], int]:
    """A whole number from `low` to `high`."""

    def convert(text: Any) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}, not {text!r}")
        return value

    return convert


def share(text: Any) -> float:
    """From 0 to less than 1."""
    value = number(0, 1)(text)
    if value == 1:
        raise argparse.ArgumentTypeError("expected a share below 1: the locustfile's other requests need some, too")
    return value
