"""Arrival times against the closed forms of their processes, and replays against what was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from edgebench.errors import UserError
from edgebench.load.arrivals import BLOCK, arrival_times_ns
from edgebench.load.replay import Replay, read
from edgebench.model import Arrivals, Bursts, Step

Counts = NDArray[np.int64]
S = 1_000_000_000


def times(kind: Arrivals, rate: float, count: int, seed: int = 1, worker: int = 0, workers: int = 1) -> list[int]:
    return list(islice(chain.from_iterable(arrival_times_ns(kind, rate, seed, worker, workers)), count))


def until(end_s: float, blocks: Iterator[list[int]]) -> NDArray[np.float64]:
    """All times before the end, in seconds."""
    found: list[list[int]] = []
    while not found or found[-1][-1] < end_s * S:
        found.append(next(blocks))
    at_s = np.concatenate(found) / S
    return at_s[at_s < end_s]


def test_constant_arrivals_are_evenly_spaced_and_workers_take_turns() -> None:
    assert times(Arrivals.CONSTANT, 1000, 3) == [1_000_000, 2_000_000, 3_000_000]
    merged = sorted(times(Arrivals.CONSTANT, 1000, 50, worker=0, workers=2)
                    + times(Arrivals.CONSTANT, 1000, 50, worker=1, workers=2))  # fmt: skip
    assert merged == [1_000_000 * (index + 2) for index in range(100)]


def test_poisson_arrivals_have_the_rate_and_exponential_gaps() -> None:
    at = np.array(times(Arrivals.POISSON, 2000, 40_000))
    gaps_s = np.diff(at) / 1e9
    assert (gaps_s >= 0).all()
    assert gaps_s.mean() == pytest.approx(1 / 2000, rel=0.02)
    assert gaps_s.std() == pytest.approx(1 / 2000, rel=0.03)  # an exponential's deviation is its mean
    assert (gaps_s > 2 / 2000).mean() == pytest.approx(np.exp(-2), abs=0.01)


def test_poisson_workers_add_up_to_the_rate_and_are_independent() -> None:
    streams = [np.array(times(Arrivals.POISSON, 3000, 10_000, worker=worker, workers=3)) for worker in range(3)]
    assert sum(len(s) / (s[-1] / 1e9) for s in streams) == pytest.approx(3000, rel=0.03)
    assert not set(streams[0]) & set(streams[1][:100])


@pytest.mark.parametrize("kind", [Arrivals.POISSON, Arrivals.BURSTY, Arrivals.STEP])
def test_the_same_seed_gives_the_same_arrivals(kind: Arrivals) -> None:
    assert times(kind, 500, 2000) == times(kind, 500, 2000)
    assert times(kind, 500, 2000) != times(kind, 500, 2000, seed=2)


# --- bursty ------------------------------------------------------------------------------------------------------

RATE, END_S = 200.0, 4000.0
BURSTS = [Bursts(5, 0.1, 0.05), Bursts(10, 0.1, 0.05), Bursts(2, 0.4, 0.1)]
"""Something, nothing and much between the bursts; thousands of bursts in END_S."""


def bursty(bursts: Bursts, seed: int = 1, worker: int = 0, workers: int = 1, rate: float = RATE) -> Iterator[list[int]]:
    return arrival_times_ns(Arrivals.BURSTY, rate, seed, worker, workers, bursts)


def counts_in(at_s: NDArray[np.float64], window_s: float, end_s: float = END_S) -> Counts:
    return np.bincount((at_s / window_s).astype(np.int64), minlength=round(end_s / window_s))


def dispersion(bursts: Bursts, t_s: float) -> float:
    """Variance over mean of the number of arrivals in t seconds: the index of dispersion for counts of a two-state
    MMPP, as in Fischer & Meier-Hellstern, The Markov-modulated Poisson process (MMPP) cookbook, 1993."""
    rate_1, rate_2 = bursts.factor * RATE, RATE * (1 - bursts.share * bursts.factor) / (1 - bursts.share)
    leave_1 = 1 / bursts.length_s
    leave_2 = leave_1 * bursts.share / (1 - bursts.share)
    both = leave_1 + leave_2
    limit = 2 * leave_1 * leave_2 * (rate_1 - rate_2) ** 2 / (both**2 * (rate_1 * leave_2 + rate_2 * leave_1))
    return float(1 + limit * (1 - (1 - np.exp(-both * t_s)) / (both * t_s)))


def nothing_in(bursts: Bursts, t_s: float) -> float:
    """Probability of no arrival in t seconds: equilibrium × exp((Q - Λ) t) × 1, by the eigenvectors of Q - Λ."""
    rates = np.array([bursts.factor * RATE, RATE * (1 - bursts.share * bursts.factor) / (1 - bursts.share)])
    leave = np.array([1 / bursts.length_s, bursts.share / (1 - bursts.share) / bursts.length_s])
    values, vectors = np.linalg.eig(np.array([[-leave[0], leave[0]], [leave[1], -leave[1]]]) - np.diag(rates))
    after = vectors @ np.diag(np.exp(values * t_s)) @ np.linalg.inv(vectors)
    return float(np.array([bursts.share, 1 - bursts.share]) @ after @ np.ones(2))


@pytest.mark.parametrize("bursts", BURSTS)
def test_bursty_arrivals_have_the_mean_and_the_dispersion_of_their_process(bursts: Bursts) -> None:
    at_s = until(END_S, bursty(bursts))
    assert (np.diff(at_s) >= 0).all()
    deviation = np.sqrt(RATE * END_S * dispersion(bursts, END_S))
    assert abs(len(at_s) - RATE * END_S) < 4 * deviation
    for window_s in (0.005, 0.05, 0.5):
        counts = counts_in(at_s, window_s)
        assert counts.var() / counts.mean() == pytest.approx(dispersion(bursts, window_s), rel=0.1), window_s
        assert (counts == 0).mean() == pytest.approx(nothing_in(bursts, window_s), abs=0.01), window_s


def test_bursts_take_their_share_of_the_time_and_have_their_length() -> None:
    """Nothing between the bursts and 5,000/s in them: a pause of more than 4 ms (one in e^20 in a burst) ends one."""
    bursts = Bursts(factor=5, share=0.2, length_s=0.2)
    at_s = until(4000, bursty(bursts, rate=1000))
    pauses_s = np.diff(at_s)
    pauses_s = pauses_s[pauses_s > 0.004]
    assert len(pauses_s) == pytest.approx(4000 / (0.2 + 0.8), rel=4 / np.sqrt(4000))
    # Burst and pause are exponentially distributed; what a pause of less than 4 ms or its edges hide is below 1 %.
    assert pauses_s.sum() / 4000 == pytest.approx(0.8, rel=0.03)
    assert pauses_s.std() == pytest.approx(pauses_s.mean(), rel=0.1)
    lengths_s = np.diff(at_s[np.append(0, np.flatnonzero(np.diff(at_s) > 0.004) + 1)])[:-1] - pauses_s[:-1]
    assert lengths_s.mean() == pytest.approx(0.2, rel=0.08)
    assert lengths_s.std() == pytest.approx(0.2, rel=0.15)


def test_the_mean_rate_holds_from_the_first_second_on() -> None:
    bursts = Bursts(8, 0.1, 2.0)
    firsts = [len(until(0.5, bursty(bursts, seed))) for seed in range(2000)]
    deviation = np.sqrt(RATE * 0.5 * dispersion(bursts, 0.5) / len(firsts))
    assert abs(np.mean(firsts) - RATE * 0.5) < 4 * deviation


@pytest.mark.parametrize("bursts", BURSTS)
def test_workers_have_the_same_bursts_and_their_own_arrivals_in_them(bursts: Bursts) -> None:
    """Given the bursts, two workers' counts are independent, so their covariance is that of the common rate."""
    workers, window_s = 3, 0.05
    streams = [until(END_S, bursty(bursts, worker=worker, workers=workers)) for worker in range(workers)]
    counts = [counts_in(at_s, window_s) for at_s in streams]
    whole = np.sum(counts, axis=0)
    assert whole.mean() == pytest.approx(RATE * window_s, rel=0.04)
    assert whole.var() / whole.mean() == pytest.approx(dispersion(bursts, window_s), rel=0.1)
    common = (dispersion(bursts, window_s) - 1) * RATE * window_s / workers**2
    assert np.cov(counts[0], counts[1])[0, 1] == pytest.approx(common, rel=0.15)
    assert not set(streams[0].tolist()) & set(streams[1][:1000].tolist())


@pytest.mark.parametrize(
    ("bursts", "rate", "workers"),
    [(Bursts(1000, 0.001, 0.001), 1.0, 1), (Bursts(2, 0.5, 3600), 0.001, 50), (Bursts(1, 0.999, 0.001), 1e6, 8)],
)
def test_extreme_bursts_come_in_blocks_too(bursts: Bursts, rate: float, workers: int) -> None:
    blocks = list(islice(bursty(bursts, workers=workers, rate=rate), 20))
    assert all(0 < len(block) <= BLOCK for block in blocks)
    merged = list(chain.from_iterable(blocks))
    assert merged == sorted(merged)


def test_a_factor_of_one_is_poisson() -> None:
    bursts = Bursts(1, 0.5, 0.1)
    assert dispersion(bursts, 1) == 1
    counts = counts_in(until(1000, bursty(bursts)), 0.1, 1000)
    assert counts.var() / counts.mean() == pytest.approx(1, abs=4 * np.sqrt(2 / len(counts)))


# --- step --------------------------------------------------------------------------------------------------------


def stepped(step: Step, seed: int, worker: int = 0, workers: int = 1, rate: float = 50.0) -> NDArray[np.float64]:
    """Times of the first 12 seconds."""
    return until(12.0, arrival_times_ns(Arrivals.STEP, rate, seed, worker, workers, step=step))


@pytest.mark.parametrize("workers", [1, 3])
def test_counts_before_in_and_after_a_step_are_those_of_its_poisson_process(workers: int) -> None:
    """Counts of disjoint intervals are independent and Poisson: mean and variance are the rate's integral."""
    step = Step(factor=20, at_s=4.0, length_s=3.0)
    counts = np.array([
        np.histogram(np.concatenate([stepped(step, seed, worker, workers) for worker in range(workers)]),
                     [0, 4.0, 7.0, 12.0])[0]
        for seed in range(300)
    ])  # fmt: skip
    expected = np.array([50 * 4.0, 20 * 50 * 3.0, 50 * 5.0])
    assert np.abs(counts.mean(axis=0) - expected).max() < 4 * np.sqrt(expected.max() / 300)
    assert counts.var(axis=0, ddof=1) == pytest.approx(expected, rel=0.35)  # 4 standard errors: 4 * sqrt(2 / 299)
    assert np.abs(np.corrcoef(counts.T) - np.eye(3)).max() < 4 / np.sqrt(300)


def test_a_step_is_steep_and_even_inside() -> None:
    step = Step(factor=30, at_s=2.0, length_s=4.0)
    at_s = stepped(step, 1, rate=400.0)
    inside = at_s[(at_s >= 2.0) & (at_s < 6.0)]
    assert len(inside) == pytest.approx(30 * 400 * 4, abs=4 * np.sqrt(30 * 400 * 4))
    tenths = np.histogram(inside, np.linspace(2.0, 6.0, 41))[0]
    assert tenths.var() / tenths.mean() == pytest.approx(1, abs=4 * np.sqrt(2 / 40))
    assert inside[0] - 2.0 < 12 / 12_000 and 6.0 - inside[-1] < 12 / 12_000  # one in e^12 is later
    assert (np.diff(inside) > 2 / 12_000).mean() == pytest.approx(np.exp(-2), abs=0.01)


def test_a_step_may_begin_at_once_and_may_be_a_silence() -> None:
    at_s = stepped(Step(factor=0, at_s=0.0, length_s=5.0), 1)
    assert at_s[0] >= 5.0 and len(at_s) == pytest.approx(50 * 7, abs=4 * np.sqrt(350))
    assert (stepped(Step(factor=1), 7) == stepped(Step(factor=1, at_s=2.0), 7)).all()  # no step at all


# --- replay ------------------------------------------------------------------------------------------------------


def replayed(replay: Replay, count: int, worker: int = 0, workers: int = 1) -> list[int]:
    blocks = arrival_times_ns(Arrivals.REPLAY, replay.rate_rps, 1, worker, workers, replay=replay)
    return list(islice(chain.from_iterable(blocks), count))


@pytest.mark.parametrize(
    "text",
    [
        "10\n10.5\n11.5\n11.5\n",
        "time_s,path\n10,/a\n10.5,/b\n\n11.5,/c\n11.5,/d",
        '\ufeff"seconds";"bytes"\r\n"10";1\r\n"10.5";2\r\n"11.5";3\r\n"11.5";4\r\n',
        "1e1\tx\n1.05e1\ty\n  11.5 z\n11.500 z\n",
    ],
)
def test_a_column_of_seconds_is_replayed_from_its_first_on_and_again(tmp_path: Path, text: str) -> None:
    path = tmp_path / "traffic.csv"
    path.write_text(text, encoding="utf-8", newline="")
    replay = read(path, 1, seed=1)
    # Four times in 1.5 s: the mean gap, 0.5 s, comes between the rounds.
    once = [0, S // 2, 3 * S // 2, 3 * S // 2]
    assert replayed(replay, 10) == [*once, *(2 * S + at for at in once), 4 * S, 4 * S + S // 2]
    assert replay.rate_rps == 2
    assert replayed(read(path, 2, seed=1), 4) == [at // 2 for at in once]
    assert read(path, 2, seed=1).rate_rps == 4


def test_workers_take_turns_in_a_replay(tmp_path: Path) -> None:
    path = tmp_path / "traffic.txt"
    path.write_text("".join(f"{at / 1000}\n" for at in range(0, 3001, 3)))
    replay = read(path, 1, seed=1)
    parts = [replayed(replay, 1000, worker, 4) for worker in range(4)]
    assert sorted(chain.from_iterable(parts)) == replayed(replay, 4000)
    assert parts[1][:2] == [3_000_000, 15_000_000]


LOG = """\
::1 - - [31/Dec/2023:23:59:58 +0000] "GET / HTTP/1.1" 200 1 "-" "x"
10.0.0.1 - ann [01/Jan/2024:01:00:01 +0100] "GET /a[1] HTTP/1.1" 200 1 "-" "[01/Jan/2020:00:00:00 +0000]"

shop.example 10.0.0.1 - - [31/Dec/2023:18:59:59 -0500] "GET /late HTTP/1.1" 200 1
10.0.0.1 - - [01/Jan/2024:00:00:01 +0000] "POST / HTTP/1.1" 200 1
"""


def test_an_access_logs_requests_are_spread_over_their_seconds(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text(LOG)
    replay = read(path, 1, seed=1)
    assert [at // S for at in replayed(replay, 8)] == [0, 1, 3, 3, 4, 5, 7, 7]
    assert replay.period_ns == 4 * S
    assert replay.times_ns.tolist() == read(path, 1, seed=1).times_ns.tolist()
    assert replay.times_ns.tolist() != read(path, 1, seed=2).times_ns.tolist()
    path.write_text(f"{LOG.splitlines()[0]}\n" * 10_000)
    within = read(path, 1, seed=1).times_ns / S
    # Kolmogorov-Smirnov: the largest distance from the uniform distribution exceeds 1.95 / sqrt(n) once in a thousand.
    assert np.abs(within - np.arange(10_000) / 10_000).max() < 1.95 / 100


def test_the_samples_of_a_run_are_replayed(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    pq.write_table(pa.table({"scheduled_ns": [5_000, 2_000, 9_000], "sent_ns": [1, 2, 3]}), path)
    assert replayed(read(path, 1, seed=1), 4) == [0, 3_000, 7_000, 10_500]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file or directory; expected a file of recorded times"),
        ("", "empty; expected one time in seconds per line"),
        ("\n  \n", "empty; expected one time in seconds per line"),
        ("time\n", "expected at least two different times, got none"),
        ("1\n", "expected at least two different times, got one"),
        ("1\n1\n", "expected at least two different times, got one"),
        ("1\n3\n2\n", ":3: expected ascending times, got 2 after 3"),
        ("-1\n3\n", ":1: expected a time of 0 seconds or more, got '-1'"),
        ("t\n1\ninf\n", ":3: expected a time of 0 seconds or more, got 'inf'"),
        ("t\nu\n1\n", ":2: expected a time of 0 seconds or more, got 'u'"),
        ("1\n2\n,3\n", ":3: expected a time of 0 seconds or more, got ''"),
        ("1700000000000\n1800000000000\n", "spans 1,157,407 days, more than a year; are its times seconds?"),
        ("0\n1e-9\n", "1,000,000,000 requests/s, more than 1,000,000; replay it slower"),
        (LOG + "oops\n", ":6: expected [day/Mon/year:time zone], got 'oops'"),
        (LOG.replace("31/Dec", "32/Dec"), ":1: no such time: [32/Dec/2023:23:59:58 +0000]"),
        (LOG.replace("Dec", "Dez"), ":1: no such time: [31/Dez/2023:23:59:58 +0000]"),
        (LOG.replace("2024", "2026"), "spans 731 days, more than a year; are its times seconds?"),
    ],
)
def test_what_cannot_be_replayed_is_told_in_one_line(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "traffic"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError) as caught:
        read(path, 1, seed=1)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).endswith(message)


def test_parquet_that_cannot_be_replayed(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_text("1\n2\n")
    with pytest.raises(UserError, match="not readable as Parquet"):
        read(path, 1, seed=1)
    pq.write_table(pa.table({"at": [1, 2]}), path)
    with pytest.raises(UserError, match=r"has no column scheduled_ns; expected the samples\.parquet of an earlier run"):
        read(path, 1, seed=1)
    with pytest.raises(UserError, match="Is a directory"):
        read(tmp_path, 1, seed=1)
