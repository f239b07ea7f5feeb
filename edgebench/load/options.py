"""The load's options, in Locust's way: on the command line, in the configuration file, and in the web UI's form."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgebench.errors import UserError
from edgebench.load import replay as recorded
from edgebench.load.option_types import checked, number, share, whole
from edgebench.load.replay import MAX_RATE_RPS, Replay
from edgebench.load.request import Server
from edgebench.model import Arrivals, Bursts, LoadModel, Step

MAX_KEYS = 10_000_000
_BURSTS = Bursts()
_BURST_FACTOR = number(1, 1000)
_BURST_SHARE = number(0.001, 0.999)
_BURST_LENGTH = number(0.001, 3600)
_REPLAY_SPEED = number(0.001, 1000)
_STEP = Step()
_STEP_FACTOR, _STEP_AT, _STEP_LENGTH = number(0, 1000), number(0, 86_400), number(0.001, 86_400)
_STEP_KEYS = whole(0, MAX_KEYS)


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What one generator process was asked to do."""

    rate_rps: float = 200.0
    """Mean of all workers together; a replay's own where there is one; 0: closed loop."""
    arrivals: Arrivals = Arrivals.POISSON
    bursts: Bursts = _BURSTS
    step: Step = _STEP
    replay_file: Path | None = None
    replay_speed: float = 1.0
    replay: Replay | None = None
    """The times of `replay_file` at `replay_speed`."""
    keys: int = 1000
    zipf_s: float = 0.9
    fill: bool = False
    """Every key is asked for once before it is drawn, the least popular first."""
    seed: int = 1
    private_share: float = 0.03
    record: Path | None = None
    record_parts: Path | None = None
    """Where workers keep what they send to the master."""
    parquet: bool = True
    warm_up_min_s: float = 0.0
    warm_up_max_s: float = 0.0
    measure_s: float = 0.0
    spin: bool = False
    wait_for: Path | None = None
    edges: tuple[str, ...] = ()
    """Where several edges answer: user k goes to edge k mod N, and names the host in Host. Empty: all to the host."""
    ca_file: Path | None = None
    """CA certificates to trust for https hosts; None: the system's."""
    origin_host: str | None = None
    """Where the app itself answers, past the cache; None: at the host."""

    @property
    def model(self) -> LoadModel:
        return LoadModel.OPEN if self.rate_rps > 0 else LoadModel.CLOSED

    @property
    def has_step(self) -> bool:
        """Then the warm-up has a fixed length, so that the times of all arrivals are known beforehand."""
        return self.model is LoadModel.OPEN and self.arrivals is Arrivals.STEP

    @property
    def step_since_start(self) -> Step:
        """The step with its time since load began to be offered: the warm-up takes its whole time before it."""
        return replace(self.step, at_s=self.warm_up_max_s + self.step.at_s)

    def facts(self) -> dict[str, str | int | float | None]:
        """What was offered, for generator.json. A closed loop has no arrivals: requests follow answers."""
        facts: dict[str, str | int | float | None] = {"model": str(self.model), "rate_rps": self.rate_rps}
        is_open = self.model is LoadModel.OPEN
        facts["arrivals"] = str(self.arrivals) if is_open else None
        if is_open and self.arrivals is Arrivals.BURSTY:
            bursts = self.bursts
            facts |= {"burst_factor": bursts.factor, "burst_share": bursts.share, "burst_s": bursts.length_s}
        if is_open and self.arrivals is Arrivals.STEP:
            step = self.step
            facts |= {"step_factor": step.factor, "step_at_s": step.at_s, "step_s": step.length_s}
            facts["step_keys"] = step.keys
        if is_open and self.replay is not None:
            facts |= {"replay": self.replay_file.name if self.replay_file else None}
            facts |= {"replay_speed": self.replay_speed, "replay_times": len(self.replay.times_ns)}
        return facts


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options; for Locust's event init_command_line_parser."""
    add: Callable[..., Any] = parser.add_argument
    default = LoadOptions()
    add(
        "--rate",
        type=number(0, MAX_RATE_RPS),
        default=default.rate_rps,
        metavar="RPS",
        help="Requests per second, whatever the server does (open loop); 0: users wait for their answers (closed loop)",
    )
    _register_arrivals(add)
    add("--keys", type=whole(1, MAX_KEYS), default=default.keys, metavar="N", help="How many keys are asked for")
    add(
        "--zipf",
        type=number(0, 10),
        default=default.zipf_s,
        metavar="S",
        help="Exponent of the keys' popularity; 0: all alike",
    )
    add(
        "--fill",
        action="store_true",
        default=default.fill,
        help="First ask for every key once, the least popular first: caches begin full",
    )
    add("--seed", type=whole(0, 2**63), default=default.seed, metavar="N", help="Same seed, same requests")
    add(
        "--private-share",
        type=share,
        default=default.private_share,
        metavar="SHARE",
        help="Share of requests for one user's own data",
    )
    add(
        "--edges",
        type=str,
        default=None,
        metavar="URLS",
        help="Where several edges answer, with commas between: user k goes to edge k mod N, and names --host in Host",
        include_in_web_ui=False,
    )
    add("--ca-file", type=str, default=None, metavar="FILE", help="CA certificates to trust for https hosts")
    _register_hidden(add)


def _register_arrivals(add: Callable[..., Any]) -> None:
    default = LoadOptions()
    add(
        "--arrivals",
        choices=[str(kind) for kind in Arrivals],
        default=str(default.arrivals),
        help="When the requests of an open loop are due: at random, evenly spaced, in bursts, with a step, or as "
        "--replay says",
    )
    add(
        "--burst-factor",
        type=_BURST_FACTOR,
        default=default.bursts.factor,
        metavar="X",
        help="Bursty arrivals: rate in a burst over --rate, which stays the mean",
    )
    add(
        "--burst-share",
        type=_BURST_SHARE,
        default=default.bursts.share,
        metavar="SHARE",
        help="Bursty arrivals: share of the time in bursts; at most 1 / --burst-factor",
    )
    add(
        "--burst-length",
        type=_BURST_LENGTH,
        default=default.bursts.length_s,
        metavar="S",
        help="Bursty arrivals: mean length of a burst in seconds (exponentially distributed)",
    )
    _register_step(add)
    add(
        "--replay",
        type=str,
        default=None,
        metavar="FILE",
        help="Replayed arrivals: recorded times, one in seconds per line; or an access log; or a samples.parquet. "
        "After the last it begins anew",
        include_in_web_ui=False,  # who may start a test may not therefore have any file opened
    )
    add(
        "--replay-speed",
        type=_REPLAY_SPEED,
        default=default.replay_speed,
        metavar="X",
        help="Replayed arrivals: this many times as fast as recorded",
    )


def _register_step(add: Callable[..., Any]) -> None:
    step = LoadOptions().step
    add(
        "--step-factor",
        type=_STEP_FACTOR,
        default=step.factor,
        metavar="X",
        help="Arrivals with a step: rate in it over --rate, which is that before and after",
    )
    add(
        "--step-at",
        type=_STEP_AT,
        default=step.at_s,
        metavar="S",
        help="Arrivals with a step: when it begins, in seconds since the end of the warm-up (--warm-up-max)",
    )
    add(
        "--step-length",
        type=_STEP_LENGTH,
        default=step.length_s,
        metavar="S",
        help="Arrivals with a step: how long it lasts, in seconds",
    )
    add(
        "--step-keys",
        type=_STEP_KEYS,
        default=step.keys,
        metavar="N",
        help="Arrivals with a step: what it adds asks for this many keys of its own, above --keys; 0: the usual keys",
    )


def _register_hidden(add: Callable[..., Any]) -> None:
    """What a harness asks for; not in the web UI's form."""
    hidden: dict[str, Any] = {"include_in_web_ui": False}
    add(
        "--record",
        type=str,
        default=None,
        metavar="DIR",
        help="Write every request's times to this directory: samples.parquet at the end. Of workers, the master's",
        **hidden,
    )
    add(
        "--record-parts",
        type=str,
        default=None,
        metavar="DIR",
        help="Each worker also writes what it sends to the master to this directory of its own machine",
        **hidden,
    )
    add(
        "--parquet",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="Make samples.parquet of the raw samples at the end",
        **hidden,
    )
    add(
        "--origin-host",
        type=str,
        default=None,
        metavar="URL",
        help="Where the app itself answers, for requests past the cache; without it, --host",
        **hidden,
    )
    add("--warm-up-min", type=number(0, 1e6), default=0.0, metavar="S", help="The least the warm-up takes", **hidden)
    add(
        "--warm-up-max",
        type=number(0, 1e6),
        default=0.0,
        metavar="S",
        help="The most the warm-up takes; it ends earlier, once the hit ratio is steady. 0: none",
        **hidden,
    )
    add(
        "--measure",
        type=number(0, 1e6),
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
    """The options as Locust holds them, checked: the web UI's form has no limits of its own. Raises UserError.

    A file of recorded times is read here, once, before any load.
    """
    spin = parsed.spin
    options = LoadOptions(
        rate_rps=checked("--rate", number(0, MAX_RATE_RPS), parsed.rate),
        arrivals=checked("--arrivals", Arrivals, parsed.arrivals),
        bursts=Bursts(
            checked("--burst-factor", _BURST_FACTOR, parsed.burst_factor),
            checked("--burst-share", _BURST_SHARE, parsed.burst_share),
            checked("--burst-length", _BURST_LENGTH, parsed.burst_length),
        ),
        step=Step(
            checked("--step-factor", _STEP_FACTOR, parsed.step_factor),
            checked("--step-at", _STEP_AT, parsed.step_at),
            checked("--step-length", _STEP_LENGTH, parsed.step_length),
            checked("--step-keys", _STEP_KEYS, parsed.step_keys),
        ),
        replay_file=Path(parsed.replay) if parsed.replay else None,
        replay_speed=checked("--replay-speed", _REPLAY_SPEED, parsed.replay_speed),
        keys=checked("--keys", whole(1, MAX_KEYS), parsed.keys),
        zipf_s=checked("--zipf", number(0, 10), parsed.zipf),
        fill=bool(parsed.fill),
        seed=checked("--seed", whole(0, 2**63), parsed.seed),
        private_share=checked("--private-share", share, parsed.private_share),
        record=Path(parsed.record) if parsed.record else None,
        record_parts=Path(parsed.record_parts) if parsed.record_parts else None,
        parquet=bool(parsed.parquet),
        warm_up_min_s=parsed.warm_up_min,
        warm_up_max_s=parsed.warm_up_max,
        measure_s=parsed.measure,
        spin=is_pinned() if spin is None else bool(spin),
        wait_for=Path(parsed.wait_for) if parsed.wait_for else None,
        edges=_edges(parsed.edges),
        ca_file=Path(parsed.ca_file) if parsed.ca_file else None,
        origin_host=parsed.origin_host or None,
    )
    if options.warm_up_min_s > options.warm_up_max_s:
        raise UserError("--warm-up-min: expected at most --warm-up-max; raise --warm-up-max")
    if options.ca_file is not None and not options.ca_file.is_file():
        raise UserError(f"--ca-file: {options.ca_file}: no such file; expected CA certificates in PEM form")
    return _with_arrivals(options)


def _edges(urls: str | None) -> tuple[str, ...]:
    found = tuple(url.strip() for url in (urls or "").split(",") if url.strip())
    for url in found:
        try:
            Server.from_url(url)
        except UserError as error:
            raise UserError(f"--edges: {error}") from None
    return found


def _with_arrivals(options: LoadOptions) -> LoadOptions:
    """What bursts and replay need is there, and fits; a replay is read."""
    bursts, file = options.bursts, options.replay_file
    if (file is not None) != (options.arrivals is Arrivals.REPLAY):
        raise UserError("--replay FILE and --arrivals replay: expected both or neither; add the one that is missing")
    if options.arrivals is Arrivals.BURSTY and options.rate_rps > 0:
        if not bursts.possible:
            raise UserError(
                f"--burst-factor: expected at most 1 / --burst-share = {1 / bursts.share:g}, got {bursts.factor:g}: "
                "bursts alone would exceed the mean rate"
            )
        if (in_a_burst := bursts.mean_arrivals(options.rate_rps)) < 1:
            raise UserError(
                f"--burst-length: {bursts.length_s:g} s hold {in_a_burst:.2g} requests on average, expected at least "
                "1; raise it, or --rate, or --burst-factor"
            )
    if file is None:
        return options
    if options.rate_rps == 0:
        raise UserError("--rate 0 is a closed loop, which has no arrivals to replay; leave out --rate or --arrivals")
    try:
        replay = recorded.read(file, options.replay_speed, options.seed)
    except UserError as error:
        raise UserError(f"--replay: {error}") from None
    return replace(options, replay=replay, rate_rps=replay.rate_rps)


def is_pinned() -> bool:
    """Whether this process may not run on every core: then it was given cores of its own, which it may burn."""
    if not hasattr(os, "sched_getaffinity"):
        return False
    return len(os.sched_getaffinity(0)) < (os.cpu_count() or 1)
