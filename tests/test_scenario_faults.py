"""[[origin.faults]]: read as planned, written back the same, and refused in one line where they make no sense."""

from __future__ import annotations

import tempfile
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.model import Fault, FaultKind, Scenario
from edgebench.scenario import ScenarioError, json_schema, load, to_toml
from edgebench.scenario.text import parse

HEAD = """\
name = "demo"
question = "Why?"
locustfile = "locustfiles/api.py"
repeats = 2
baseline = "direct"
load = { measure_s = 20 }
tiers = [{ name = "direct" }]
axes = { ttl_s = [5] }
"""
SLOW = "missing; expected the mean delay of slow answers, in seconds"
OVERLAP = "expected no fault beside another that is down, got"


def fault(kind: str, start_s: float, end_s: float, *more: str) -> str:
    return "\n".join(
        ["[[origin.faults]]", f'kind = "{kind}"', f"start_s = {start_s}", f"end_s = {end_s}", *more, ""],
    )


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locustfiles").mkdir()
    (tmp_path / "locustfiles/api.py").touch()
    (tmp_path / "scenarios").mkdir()
    monkeypatch.chdir(tmp_path)


def read(text: str, *overrides: str) -> Scenario:
    path = Path("scenarios/x.toml")
    path.write_text(text)
    return load(path, overrides, kinds=())


def test_a_fault_that_flaps_is_on_for_the_first_half_of_each_period() -> None:
    text = HEAD + fault("503", 2, 4.25, "period_s = 0.5")
    jsonschema.validate(parse(text), json_schema())
    spans = [(each.start_s, each.end_s) for each in read(text).origin.faults]
    assert spans == [(2, 2.25), (2.5, 2.75), (3, 3.25), (3.5, 3.75), (4, 4.25)]
    slow = read(HEAD + fault("slow", 2, 3, "period_s = 1", "delay_s = 0.3")).origin.faults
    assert slow == (Fault(FaultKind.SLOW, 2, 2.5, 0.3),)


@pytest.mark.parametrize(
    ("kind", "period_s", "message"),
    [
        ("down", 1, "expected none for down, as an origin takes a second to start again, got 1"),
        ("503", 3, "expected 0.1 to 2 seconds, the fault's length, got 3"),
        ("503", 0.01, "expected 0.1 to 2 seconds, the fault's length, got 0.01"),
    ],
)
def test_periods_that_make_no_sense(kind: str, period_s: float, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read(HEAD + fault(kind, 1, 3, f"period_s = {period_s}"))
    assert str(caught.value) == f"scenarios/x.toml:13: origin.faults[0].period_s: {message}"


def test_faults_are_read_in_their_order() -> None:
    text = HEAD + fault("slow", 8, 12.5, "delay_s = 0.2") + fault("down", 1, 3) + fault("503", 3, 20)
    jsonschema.validate(parse(text), json_schema())
    assert read(text).origin.faults == (
        Fault(FaultKind.SLOW, 8, 12.5, 0.2),
        Fault(FaultKind.DOWN, 1, 3),
        Fault(FaultKind.STATUS_503, 3, 20),
    )
    assert read(HEAD).origin.faults == ()


def test_faults_can_be_set_on_the_command_line() -> None:
    scenario = read(HEAD + fault("down", 1, 3), 'origin.faults=[{ kind = "hang", start_s = 1, end_s = 2 }]')
    assert scenario.origin.faults == (Fault(FaultKind.HANG, 1, 2),)


@given(st.lists(st.tuples(st.sampled_from(FaultKind), st.floats(0, 19), st.floats(0.1, 1)), max_size=4))
def test_faults_written_and_read_are_the_same(drawn: list[tuple[FaultKind, float, float]]) -> None:
    text = HEAD
    for kind, start_s, length_s in drawn:
        if kind is not FaultKind.DOWN:
            delay = ["delay_s = 0.25"] if kind is FaultKind.SLOW else []
            text += fault(kind.value, start_s, start_s + length_s, *delay)
    scenario = read(text)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "again.toml"
        path.write_text(to_toml(scenario))
        assert load(path, kinds=()).origin == scenario.origin


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (fault("donw", 1, 2), "10: origin.faults[0].kind: expected one of down, 503, slow, hang, half, reset, "
         "got 'donw'; did you mean down?"),
        (fault("down", -1, 2), "11: origin.faults[0].start_s: expected a number of seconds from 0 to 86400, got -1"),
        (fault("down", 2, 2), "12: origin.faults[0].end_s: expected more than start_s, which is 2, got 2"),
        (fault("down", 2, 21), "12: origin.faults[0].end_s: expected at most load.measure_s, which is 20, got 21"),
        (fault("down", 2, 3, "delay_s = 1"), "13: origin.faults[0].delay_s: expected none, as only slow answers have a "
         "delay, got 1 for down"),
        (fault("slow", 2, 3), f"9: origin.faults[0].delay_s: {SLOW}"),
        (fault("slow", 2, 3, "delay_s = 0"), f"13: origin.faults[0].delay_s: {SLOW}"),
        (fault("hang", 2, 3, "delay = 1"), "13: origin.faults[0].delay: unknown key; did you mean delay_s?"),
        (fault("hang", 1, 3) + fault("down", 2, 4), f"15: origin.faults[1].start_s: {OVERLAP} down (2 to 4 s) and hang "
         "(1 to 3 s, origin.faults[0])"),
        (fault("down", 1, 9) + fault("down", 2, 4), f"15: origin.faults[1].start_s: {OVERLAP} down (2 to 4 s) and down "
         "(1 to 9 s, origin.faults[0])"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_one_line(faults: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read(HEAD + faults)
    assert str(caught.value) == f"scenarios/x.toml:{message}"


def test_faults_that_follow_or_overlap_otherwise_are_none_of_it() -> None:
    text = HEAD + fault("down", 1, 2) + fault("hang", 2, 5) + fault("503", 3, 4)
    assert len(read(text).origin.faults) == 3
