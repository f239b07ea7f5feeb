"""The load's options, in Locust's way: on the command line, in the configuration file, and in the web UI's form."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebench.errors import UserError
from edgebench.model import Arrivals, LoadModel

MAX_KEYS = 10_000_000
MAX_RATE_RPS = 1_000_000.0


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What one generator process was asked to do."""

    rate_rps: float = 200.0
    """Of all workers together; 0: closed loop."""
    arrivals: Arrivals = Arrivals.POISSON
    keys: int = 1000
    zipf_s: float = 0.9
    seed: int = 1
    private_share: float = 0.03
    record: Path | None = None
    warm_up_min_s: float = 0.0
    warm_up_max_s: float = 0.0
    measure_s: float = 0.0
    spin: bool = False
    wait_for: Path | None = None

    @property
    def model(self) -> LoadModel:
        return LoadModel.OPEN if self.rate_rps > 0 else LoadModel.CLOSED


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options; for Locust's event init_command_line_parser."""
    add: Callable[..., Any] = parser.add_argument
    default = LoadOptions()
    add(
        "--rate",
        type=_number(0, MAX_RATE_RPS),
        default=default.rate_rps,
        metavar="RPS",
        help="Requests per second, whatever the server does (open loop); 0: users wait for their answers (closed loop)",
    )
    add(
        "--arrivals",
        choices=[str(kind) for kind in Arrivals],
        default=str(default.arrivals),
        help="How the gaps between requests of an open loop are drawn",
    )
    add("--keys", type=_whole(1, MAX_KEYS), default=default.keys, metavar="N", help="How many keys are asked for")
    add(
        "--zipf",
        type=_number(0, 10),
        default=default.zipf_s,
        metavar="S",
        help="Exponent of the keys' popularity; 0: all alike",
    )
    add("--seed", type=_whole(0, 2**63), default=default.seed, metavar="N", help="Same seed, same requests")
    add(
        "--private-share",
        type=_share,
        default=default.private_share,
        metavar="SHARE",
        help="Share of requests for one user's own data",
    )
    _register_hidden(add)


def _register_hidden(add: Callable[..., Any]) -> None:
    """What a harness asks for; not in the web UI's form."""
    hidden: dict[str, Any] = {"include_in_web_ui": False}
    add(
        "--record",
        type=str,
        default=None,
        metavar="DIR",
        help="Write every request's times to this directory",
        **hidden,
    )
    add("--warm-up-min", type=_number(0, 1e6), default=0.0, metavar="S", help="The least the warm-up takes", **hidden)
    add(
        "--warm-up-max",
        type=_number(0, 1e6),
        default=0.0,
        metavar="S",
        help="The most the warm-up takes; it ends earlier, once the hit ratio is steady. 0: none",
        **hidden,
    )
    add(
        "--measure",
        type=_number(0, 1e6),
        default=0.0,
        metavar="S",
        help="End the run after measuring for this long; 0: run until stopped",
        **hidden,
    )
    add(
        "--spin",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="Burn a whole core to be on time to the microsecond (default: when pinned to some cores)",
        **hidden,
    )
    add(
        "--wait-for",
        type=str,
        default=None,
        metavar="FILE",
        help="Get ready, and begin when this file is there (within 2 minutes)",
        **hidden,
    )


def from_parsed(parsed: Any) -> LoadOptions:
    """The options as Locust holds them, checked: the web UI's form has no limits of its own. Raises UserError."""
    spin = parsed.spin
    options = LoadOptions(
        rate_rps=_checked("--rate", _number(0, MAX_RATE_RPS), parsed.rate),
        arrivals=_checked("--arrivals", Arrivals, parsed.arrivals),
        keys=_checked("--keys", _whole(1, MAX_KEYS), parsed.keys),
        zipf_s=_checked("--zipf", _number(0, 10), parsed.zipf),
        seed=_checked("--seed", _whole(0, 2**63), parsed.seed),
        private_share=_checked("--private-share", _share, parsed.private_share),
        record=Path(parsed.record) if parsed.record else None,
        warm_up_min_s=parsed.warm_up_min,
        warm_up_max_s=parsed.warm_up_max,
        measure_s=parsed.measure,
        spin=is_pinned() if spin is None else bool(spin),
        wait_for=Path(parsed.wait_for) if parsed.wait_for else None,
    )
    if options.warm_up_min_s > options.warm_up_max_s:
        raise UserError("--warm-up-min: expected at most --warm-up-max; raise --warm-up-max")
    return options


def is_pinned() -> bool:
    """Whether this process may not run on every core: then it was given cores of its own, which it may burn."""
    if not hasattr(os, "sched_getaffinity"):
        return False
    return len(os.sched_getaffinity(0)) < (os.cpu_count() or 1)


def _checked(option: str, kind: Callable[[Any], Any], value: Any) -> Any:
    try:
        return kind(value)
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise UserError(f"{option}: {error}") from None


def _number(low: float, high: float) -> Callable[[Any], float]:
    def convert(text: Any) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"expected a number from {low:g} to {high:g}, not {text!r}")
        return value

    return convert


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def convert(text: Any) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}, not {text!r}")
        return value

    return convert


def _share(text: Any) -> float:
    value = _number(0, 1)(text)
    if value == 1:
        raise argparse.ArgumentTypeError("expected a share below 1: the locustfile's other requests need some, too")
    return value
