"""What no single key of [load] can tell: whether arrivals, rate, bursts and replay fit together."""

from __future__ import annotations

from collections.abc import Iterator

from edgebench.model import Arrivals, Bursts, LoadModel
from edgebench.scenario.document import REPLAY_FORM, LoadTable
from edgebench.scenario.problems import Problem, shown


def load_problems(load: LoadTable, replay_exists: bool) -> Iterator[Problem]:
    """`replay_exists`: whether the file that `load.replay` names is there."""
    replayed = load.arrivals is Arrivals.REPLAY
    if load.replay is not None and not replay_exists:
        yield Problem(("load", "replay"), f"expected a file that exists, got {shown(load.replay)}")
    if load.replay is not None and not replayed:
        yield Problem(("load", "arrivals"), f"expected replay, as load.replay names a file, got {load.arrivals.value}")
    if load.model is not LoadModel.OPEN:
        if replayed:
            yield Problem(("load", "model"), "expected open, as a closed load has no arrivals to replay, got closed")
    elif replayed:
        if load.replay is None:
            yield Problem(("load", "replay"), f"missing; expected {REPLAY_FORM}")
    elif load.rate_rps == 0:
        yield Problem(("load", "rate_rps"), "expected more than 0 requests per second for an open load, got 0")
    elif load.arrivals is Arrivals.BURSTY:
        yield from _burst_problems(Bursts(load.burst_factor, load.burst_share, load.burst_s), load.rate_rps)
    elif load.arrivals is Arrivals.STEP and load.step_at_s + load.step_s > load.measure_s:
        most = load.measure_s - load.step_at_s
        text = f"expected the step to end within measure_s, {load.measure_s:g}, got {load.step_at_s + load.step_s:g}"
        yield Problem(("load", "step_s" if most > 0 else "step_at_s"), text)


def _burst_problems(bursts: Bursts, rate_rps: float) -> Iterator[Problem]:
    if not bursts.possible:
        most = 1 / bursts.share
        text = (
            f"expected at most 1 / burst_share = {most:.4g}, got {bursts.factor:g}: bursts alone would exceed the mean"
        )
        yield Problem(("load", "burst_factor"), text)
    brings = bursts.mean_arrivals(rate_rps)
    if brings < 1:
        text = f"expected bursts of at least 1 request on average, got {brings:.2g}; raise it, rate_rps or burst_factor"
        yield Problem(("load", "burst_s"), text)
