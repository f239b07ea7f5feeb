"""The closed form against a simulated cache; the replay on schedules small enough to reckon by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgebench.analysis.replay import EXACT, Schedule, replay, steady_state_hit_ratio, zipf_weights
from edgebench.model import ExpiryRule
from tests.analysis.simulator import Behaviour, poisson, simulate


def _schedule(at_s: list[float], ttl_s: float = 2.0, fetch_s: float = 0.1, keys: list[int] | None = None) -> Schedule:
    at = np.array(at_s)
    numbers = np.array(keys or [0] * len(at_s), dtype=np.int64)
    return Schedule(np.arange(len(at)), numbers, at, at + fetch_s, np.full(len(at), ttl_s))


def test_exact_rule() -> None:
    assert replay(_schedule([0.5, 0.55, 2.0, 2.59, 2.61]), EXACT).tolist() == [False, True, True, True, False]


def test_whole_second_rules() -> None:
    times = [0.5, 1.9, 2.1, 2.9, 3.1]
    assert replay(_schedule(times), ExpiryRule(True, 0)).tolist() == [False, True, False, True, True]
    assert replay(_schedule(times), ExpiryRule(True, 1)).tolist() == [False, True, True, True, False]


def test_keys_are_apart() -> None:
    assert replay(_schedule([0.0, 1.0, 1.0], keys=[0, 0, 1]), EXACT).tolist() == [False, True, False]


def test_without_a_lifetime_nothing_is_stored_nor_shared() -> None:
    assert replay(_schedule([0.0, 0.01, 5.0], ttl_s=0.0), EXACT).tolist() == [False, False, False]


def test_a_cache_that_does_not_collapse_what_expired() -> None:
    times = [0.0, 0.05, 3.0, 3.05, 3.2]
    assert replay(_schedule(times), EXACT).tolist() == [False, True, False, True, True]
    assert replay(_schedule(times), EXACT, collapses_expired=False).tolist() == [False, True, False, False, True]


def test_an_empty_schedule() -> None:
    assert replay(_schedule([]), EXACT).tolist() == []


@pytest.mark.parametrize("ttl_s", [1, 3])
def test_steady_state_is_what_a_simulated_cache_reaches(ttl_s: int) -> None:
    rate, keys = 300.0, 50
    how = Behaviour(ttl_s=ttl_s, fetch_ticks=(1, 2))
    simulation = simulate(how, poisson(rate, 60, keys, seed=4), seed=4)
    late = simulation.samples["sent_ns"].to_numpy() > 10_000_000_000
    measured = float(np.asarray(simulation.hits)[late].mean())
    assert steady_state_hit_ratio(rate, zipf_weights(keys, 0.9), ttl_s) == pytest.approx(measured, abs=0.01)


def test_steady_state_at_its_ends() -> None:
    assert steady_state_hit_ratio(100, zipf_weights(10, 1.0), 0) == 0
    assert steady_state_hit_ratio(1e9, zipf_weights(10, 1.0), 60) == pytest.approx(1)
    assert steady_state_hit_ratio(2.0, np.array([3.0]), 5) == pytest.approx(10 / 11)
    with pytest.raises(ValueError, match="at least one key"):
        steady_state_hit_ratio(1, np.array([]), 1)
