"""The proof finds the truth of every sample, and names every ledger row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgebench.analysis.cacheable import cacheable_samples
from edgebench.analysis.ledger_names import NAMES, OWNED
from edgebench.analysis.proof import Proof, prove
from edgebench.analysis.replay import on_samples, replay, schedule
from edgebench.model import ExpiryRule
from tests.analysis.simulator import Behaviour, Simulation, poisson, simulate

behaviours = st.builds(
    Behaviour,
    ttl_s=st.integers(1, 3),
    whole_seconds=st.booleans(),
    extra_s=st.sampled_from([0, 1]),
    collapses_new=st.booleans(),
    collapses_expired=st.booleans(),
    new_stamp=st.booleans(),
    revalidates=st.booleans(),
    conditional_share=st.sampled_from([0.0, 0.3]),
    private_share=st.sampled_from([0.0, 0.1]),
    post_share=st.sampled_from([0.0, 0.05]),
    fetch_ticks=st.sampled_from([(20, 40), (100, 2000), (1, 30000)]),
    wall_ns=st.integers(1_700_000_000_000_000_000, 1_700_000_001_000_000_000),
).filter(lambda how: how.whole_seconds or how.extra_s == 0)
loads = st.tuples(st.sampled_from([50.0, 200.0, 500.0]), st.sampled_from([1, 5, 50]), st.integers(0, 10_000))
thorough = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _truth_differs(simulation: Simulation, proof: Proof) -> list[tuple[int, str, str]]:
    pairs = zip(simulation.outcome, proof.outcome.astype(str), strict=True)
    return [(place, truth, proved) for place, (truth, proved) in enumerate(pairs) if truth != proved]


def _run(how: Behaviour, load: tuple[float, int, int], seconds: float = 5.0) -> tuple[Simulation, Proof]:
    rate, keys, seed = load
    simulation = simulate(how, poisson(rate, seconds, keys, seed), seed)
    return simulation, prove(simulation.samples, simulation.ledger, stores=how.stores)


def _every_row_is_accounted_for(simulation: Simulation, proof: Proof) -> None:
    owners = proof.caused[proof.caused >= 0]
    assert len(np.unique(owners)) == len(owners)
    assert set(owners.tolist()) == set(np.flatnonzero(proof.row_name == OWNED).tolist())
    named = sum(int((proof.row_name == name).sum()) for name in NAMES)
    assert len(owners) + named == len(simulation.ledger)


@thorough
@given(how=behaviours, load=loads)
def test_every_outcome_is_proved(how: Behaviour, load: tuple[float, int, int]) -> None:
    simulation, proof = _run(how, load)
    assert _truth_differs(simulation, proof) == []
    assert proof.row_name.tolist() == simulation.row_name
    _every_row_is_accounted_for(simulation, proof)


@thorough
@given(how=behaviours, load=loads, retry=st.sampled_from([0.0, 0.1]), error=st.sampled_from([0.0, 0.1]))
def test_every_row_has_an_owner_or_a_name_when_things_go_wrong(
    how: Behaviour, load: tuple[float, int, int], retry: float, error: float
) -> None:
    how = replace(how, retry_share=retry, error_share=error, collapses_new=False, collapses_expired=False)
    simulation, proof = _run(how, load)
    assert _truth_differs(simulation, proof) == []
    assert proof.row_name.tolist() == simulation.row_name
    _every_row_is_accounted_for(simulation, proof)


@thorough
@given(how=behaviours, load=loads, grace_s=st.sampled_from([0.5, 2.0, 60.0]))
def test_background_refreshes_are_named(how: Behaviour, load: tuple[float, int, int], grace_s: float) -> None:
    simulation, proof = _run(replace(how, grace_s=grace_s), load)
    assert _truth_differs(simulation, proof) == []
    # While another fetch of the key is under way, a refresh cannot be told from a second try of that one.
    differing = {pair for pair in zip(simulation.row_name, proof.row_name.tolist(), strict=True) if pair[0] != pair[1]}
    assert differing <= {("background refresh", "retry")}
    _every_row_is_accounted_for(simulation, proof)


@pytest.mark.parametrize("conditional_share", [0.0, 0.5])
def test_without_a_cache_every_answer_is_the_origins(conditional_share: float) -> None:
    how = Behaviour(stores=False, conditional_share=conditional_share, private_share=0.1, post_share=0.1)
    simulation, proof = _run(how, (300.0, 20, 1))
    assert set(proof.outcome.astype(str)) == {"origin"}
    assert set(proof.row_name) == {OWNED}
    assert len(simulation.ledger) == len(simulation.samples)


@thorough
@given(how=behaviours, load=loads)
def test_the_replay_predicts_every_request(how: Behaviour, load: tuple[float, int, int]) -> None:
    simulation, proof = _run(how, load)
    endpoints = frozenset({"/p/[id]"})
    cacheable = cacheable_samples(simulation.samples, simulation.ledger, proof, endpoints)
    requests = schedule(simulation.samples, simulation.ledger, proof, cacheable, how.wall_ns)
    rule = ExpiryRule(how.whole_seconds, how.extra_s)
    foretold = replay(requests, rule, collapses_misses=how.collapses_new, collapses_expired=how.collapses_expired)
    column = on_samples(requests, foretold, len(simulation.samples))
    assert column[cacheable].tolist() == np.asarray(simulation.hits)[cacheable].tolist()
