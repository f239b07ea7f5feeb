"""A file becomes a Scenario, its cells, and trials in a seeded order; the committed files hold what they say."""

from __future__ import annotations

import dataclasses
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench.model import (
    FEW_EXPIRIES,
    Arrivals,
    Bursts,
    Cell,
    Load,
    LoadModel,
    OriginSpec,
    Profile,
    Scenario,
    TierSpec,
)
from edgebench.network.profiles import PROFILES
from edgebench.scenario import (
    TRIAL_OVERHEAD_S,
    ScenarioError,
    cells,
    estimate_s,
    json_schema,
    load,
    schema_text,
    to_toml,
    trials,
)
from edgebench.scenario.document import LoadTable, OriginTable
from edgebench.scenario.text import key_lines
from edgebench.tiers import kinds

ROOT = Path(__file__).parent.parent
SCENARIOS = sorted((ROOT / "scenarios").glob("*.toml"))
KINDS = ("direct", "nginx", "varnish")
MINIMAL = """\
name = "demo"
question = "Why?"
locustfile = "locustfiles/api.py"
repeats = 2
baseline = "direct"
tiers = [{ name = "direct" }, { name = "edge", kind = "nginx", optional = true }]
axes = { ttl_s = [5, 1] }
"""


@pytest.fixture
def minimal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return _write_minimal(tmp_path, monkeypatch)


def _write_minimal(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("locustfiles", "scenarios"):
        (root / folder).mkdir()
    (root / "locustfiles/api.py").touch()
    monkeypatch.chdir(root)
    path = Path("scenarios/demo.toml")
    path.write_text(MINIMAL)
    return path


def scenario_of(seed: int = 1, repeats: int = 3, ttl_s: tuple[int, ...] = (5, 1)) -> Scenario:
    tiers = (TierSpec("nginx", "nginx"), TierSpec("direct", "direct"), TierSpec("varnish", "varnish", optional=True))
    return Scenario("demo", "Why?", "l.py", Load(), tiers, ttl_s, OriginSpec(), repeats, seed, "direct")


# --- loading -----------------------------------------------------------------------------------------------------


def test_what_is_left_out_is_the_models_default(minimal: Path) -> None:
    assert load(minimal, kinds=KINDS) == Scenario(
        name="demo",
        question="Why?",
        locustfile="locustfiles/api.py",
        load=Load(),
        tiers=(TierSpec("direct", "direct"), TierSpec("edge", "nginx", optional=True)),
        ttl_s=(5, 1),
        origin=OriginSpec(),
        repeats=2,
        seed=1,
        baseline="direct",
    )


def test_the_tables_have_the_models_fields() -> None:
    for table, noun in ((LoadTable, Load), (OriginTable, OriginSpec)):
        assert list(table.model_fields) == [field.name for field in dataclasses.fields(noun)]


def test_overrides_are_toml_or_bare_words(minimal: Path) -> None:
    overrides = [
        "axes.ttl_s=[1, 60]",
        "load.rate_rps=500",
        "repeats=5",
        "repeats=6",
        "load.model=closed",
        "load.arrivals='constant'",
        'origin.app="shop:app"',
        "origin.env.PORT=8080",
        "name = x1 ",
        'tiers=[{name="direct"}]',
    ]
    scenario = load(minimal, overrides, kinds=())
    assert (scenario.ttl_s, scenario.repeats, scenario.name) == ((1, 60), 6, "x1")
    assert scenario.load == Load(model=LoadModel.CLOSED, rate_rps=500.0, arrivals=Arrivals.CONSTANT)
    assert scenario.origin == OriginSpec(app="shop:app", env={"PORT": "8080"})
    assert scenario.tiers == (TierSpec("direct", "direct"),)
    assert load(minimal, ["origin.app=shop:create_app()"], kinds=KINDS).origin.app == "shop:create_app()"


def test_a_closed_load_needs_no_rate(minimal: Path) -> None:
    assert load(minimal, ["load.model=closed", "load.rate_rps=0"], kinds=KINDS).load.rate_rps == 0


def test_bursts_and_replays(minimal: Path, tmp_path: Path) -> None:
    bursts = load(minimal, ["load.arrivals=bursty", "load.burst_factor=10", "load.burst_s=2"], kinds=KINDS).load
    assert bursts.bursts == Bursts(10, 0.1, 2)
    assert bursts.bursts.rates_rps(300) == (3000, 0)
    # Three times a third is more than 1 by rounding only.
    load(minimal, ["load.arrivals=bursty", "load.burst_factor=3", "load.burst_share=0.33333333333333337"], kinds=KINDS)
    (tmp_path / "scenarios/day.csv").touch()
    (tmp_path / "here.csv").touch()
    for name, found in (("day.csv", "scenarios/day.csv"), ("here.csv", "here.csv")):
        replay = load(minimal, ["load.arrivals=replay", f"load.replay={name}", "load.rate_rps=0"], kinds=KINDS).load
        assert (replay.replay, replay.replay_speed) == (found, 1.0)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (Load(), "open, poisson, 300 requests/s"),
        (Load(arrivals=Arrivals.CONSTANT, rate_rps=1_234_567.5), "open, constant, 1,234,567.5 requests/s"),
        (
            Load(arrivals=Arrivals.BURSTY, rate_rps=1000, burst_s=0.5),
            "open, bursty, 1,000 requests/s (5,000 in bursts of 0.5 s, 10 % of the time; else 556)",
        ),
        (Load(arrivals=Arrivals.STEP, rate_rps=150, step_s=2), "open, step, 150 requests/s (3,000 for 2 s)"),
        (Load(arrivals=Arrivals.REPLAY, replay="logs/day.csv"), "open, replay of day.csv"),
        (
            Load(arrivals=Arrivals.REPLAY, replay="day.csv", replay_speed=2.5),
            "open, replay of day.csv, 2.5 times as fast as recorded",
        ),
        (Load(model=LoadModel.CLOSED, arrivals=Arrivals.BURSTY), "closed, 32 users"),
    ],
)
def test_a_load_says_what_it_is(asked: Load, text: str) -> None:
    assert asked.text == text


def test_the_locustfile_is_found_from_elsewhere(minimal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = minimal.resolve()
    monkeypatch.chdir("/")
    locustfile = Path(load(path, kinds=KINDS).locustfile)
    assert locustfile.samefile(path.parent.parent / "locustfiles/api.py")


def test_a_byte_order_mark_and_windows_line_ends_are_read(minimal: Path) -> None:
    expected = load(minimal, kinds=KINDS)
    minimal.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load(minimal, kinds=KINDS) == expected


def _fitting(load: Load) -> Load:
    """With what its arrivals need: a file to replay, bursts of a request and more."""
    if load.arrivals is Arrivals.REPLAY:
        return dataclasses.replace(load, model=LoadModel.OPEN, replay="locustfiles/api.py")
    if load.arrivals is Arrivals.STEP:
        return dataclasses.replace(load, step_at_s=load.measure_s / 4, step_s=load.measure_s / 2)
    return load if load.rate_rps * load.burst_s >= 1 else dataclasses.replace(load, rate_rps=1000.0, burst_s=1.0)


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0{"), max_size=20)
_SCENARIOS = st.builds(
    Scenario,
    name=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True),
    question=_TEXT.map(lambda text: f"{text}?"),
    locustfile=st.just("locustfiles/api.py"),
    load=st.builds(
        Load,
        model=st.sampled_from(LoadModel),
        rate_rps=st.floats(min_value=1e-9, max_value=1e6),
        arrivals=st.sampled_from(Arrivals),
        users=st.integers(1, 100_000),
        warm_up_s=st.floats(0, 86_400),
        measure_s=st.floats(1, 86_400),
        keys=st.integers(1, 10_000_000),
        zipf_s=st.floats(0, 5),
        private_share=st.floats(0, 1),
        burst_factor=st.floats(1, 2),
        burst_share=st.floats(0.001, 0.5),
        burst_s=st.floats(0.001, 3600),
        replay_speed=st.floats(0.001, 1000),
    ).map(_fitting),
    tiers=st.builds(
        TierSpec,
        name=st.just("edge"),
        kind=st.just("nginx"),
        optional=st.booleans(),
        profile=st.sampled_from(Profile),
        workers=st.integers(1, 64),
        storage_mb=st.integers(8, 65_536),
        tls=st.booleans(),
    ).map(lambda edge: (TierSpec("direct", "direct"), edge)),
    ttl_s=st.lists(st.integers(0, 31_536_000), min_size=1, max_size=6, unique=True).map(tuple),
    origin=st.builds(
        OriginSpec,
        app=st.sampled_from(["target_app:create_app()", "a.b:c", 'a:b("x")']),
        workers=st.integers(1, 256),
        threads=st.integers(1, 1024),
        port=st.none() | st.integers(1024, 65_535),
        env=st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,9}", fullmatch=True), _TEXT, max_size=3),
        rewrite_ttl=st.booleans(),
    ),
    repeats=st.integers(1, 100),
    seed=st.integers(0, 2**32 - 1),
    baseline=st.sampled_from(["direct", "edge"]),
)


@settings(deadline=None)  # a busy machine is no failure
@given(scenario=_SCENARIOS)
def test_a_scenario_written_and_read_is_the_same(tmp_path_factory: pytest.TempPathFactory, scenario: Scenario) -> None:
    with pytest.MonkeyPatch.context() as patch:
        path = _write_minimal(tmp_path_factory.mktemp("project"), patch)
        text = to_toml(scenario)
        path.write_bytes(text.encode())
        assert load(path, kinds=KINDS) == scenario
        jsonschema.validate(tomllib.loads(text), json_schema())


def test_the_line_of_each_key_is_found() -> None:
    text = 'a = 1\n\n# [no]\n[t]\n"x y" = """\n[no]\n"""\nb.c = [\n  1,\n]\n[[l]]\nd = 1\n[[l]]\n[l.m]\ne = { f = 1 }\n'
    assert key_lines(text) == {
        ("a",): 1,
        ("t",): 4,
        ("t", "x y"): 5,
        ("t", "b"): 8,
        ("t", "b", "c"): 8,
        ("t", "b", "c", 0): 8,
        ("l",): 11,
        ("l", 0): 11,
        ("l", 0, "d"): 12,
        ("l", 1): 13,
        ("l", 1, "m"): 14,
        ("l", 1, "m", "e"): 15,
        ("l", 1, "m", "e", "f"): 15,
    }


# --- cells and trials --------------------------------------------------------------------------------------------


def test_direct_comes_first_and_once_then_each_cache_by_rising_ttl() -> None:
    assert [cell.id for cell in cells(scenario_of())] == [
        "direct",
        "nginx.ttl1",
        "nginx.ttl5",
        "varnish.ttl1",
        "varnish.ttl5",
    ]


def test_an_optional_tier_that_is_not_here_is_left_out() -> None:
    assert [cell.id for cell in cells(scenario_of(), {"direct", "nginx"})] == ["direct", "nginx.ttl1", "nginx.ttl5"]


def test_a_demanded_tier_that_is_not_here_is_an_error() -> None:
    with pytest.raises(ScenarioError, match="tier nginx needs nginx, which is not here; install it, or give the tier"):
        cells(scenario_of(), {"direct", "varnish"})
    with pytest.raises(ScenarioError, match="install it, or choose another baseline"):
        cells(dataclasses.replace(scenario_of(), baseline="varnish"), {"direct", "nginx"})


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.lists(st.integers(0, 99), min_size=1, unique=True, max_size=8))
def test_each_block_has_each_cell_once_and_one_seed(seed: int, repeats: int, ttl_s: list[int]) -> None:
    scenario = scenario_of(seed, repeats, tuple(ttl_s))
    planned = cells(scenario)
    order = trials(scenario, planned)
    assert [trial.repeat for trial in order] == sorted(list(range(1, repeats + 1)) * len(planned))
    assert Counter((trial.cell.id, trial.repeat) for trial in order) == Counter(
        (cell.id, repeat) for cell in planned for repeat in range(1, repeats + 1)
    )
    assert len({trial.id for trial in order}) == len(order)
    assert len({(trial.repeat, trial.seed) for trial in order}) == repeats == len({trial.seed for trial in order})
    assert all(0 <= trial.seed < 2**53 for trial in order)
    assert trials(scenario, planned) == order


def test_the_order_is_the_same_everywhere() -> None:
    """Written down, so that another Python, or a change of ours, cannot reorder an interrupted run unseen."""
    scenario = scenario_of(seed=7, repeats=2)
    order = trials(scenario, cells(scenario))
    assert [trial.id for trial in order] == ORDER_OF_SEED_7
    assert [order[0].seed, order[-1].seed] == SEEDS_OF_SEED_7
    other = dataclasses.replace(scenario, seed=8)
    assert [trial.id for trial in trials(other, cells(other))] != ORDER_OF_SEED_7


ORDER_OF_SEED_7 = [
    "nginx.ttl5-r1",
    "varnish.ttl1-r1",
    "varnish.ttl5-r1",
    "nginx.ttl1-r1",
    "direct-r1",
    "direct-r2",
    "varnish.ttl5-r2",
    "nginx.ttl1-r2",
    "varnish.ttl1-r2",
    "nginx.ttl5-r2",
]
SEEDS_OF_SEED_7 = [1665486297821, 184570163755010]


def test_blocks_are_ordered_differently() -> None:
    scenario = scenario_of(repeats=20)
    order = trials(scenario, cells(scenario))
    assert {trial.cell.id for trial in order[::5]} == {cell.id for cell in cells(scenario)}


def test_a_trial_lasts_from_one_ttl_of_warm_up_to_its_cap() -> None:
    scenario = dataclasses.replace(scenario_of(ttl_s=(5, 60)), load=Load(warm_up_s=8, measure_s=10))
    by_cell = {trial.cell.id: estimate_s(trial) for trial in trials(scenario, cells(scenario, {"nginx"}))}
    longest_s = 8 + 10 + TRIAL_OVERHEAD_S
    assert by_cell == {
        "direct": (10 + TRIAL_OVERHEAD_S, longest_s),
        "nginx.ttl5": (5 + 10 + TRIAL_OVERHEAD_S, longest_s),
        "nginx.ttl60": (longest_s, longest_s),
    }


# --- the committed files -----------------------------------------------------------------------------------------


def _committed(path: Path, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    monkeypatch.chdir(ROOT)
    return load(path, kinds=kinds(), networks=PROFILES)


def _total_s(planned: tuple[Cell, ...], scenario: Scenario) -> tuple[float, float]:
    times = [estimate_s(trial) for trial in trials(scenario, planned)]
    return sum(shortest for shortest, _ in times), sum(longest for _, longest in times)


def test_the_schema_is_up_to_date() -> None:
    assert (ROOT / "scenarios/schema.json").read_text(encoding="utf-8") == schema_text()


def test_the_schema_is_one_and_explains_every_key() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    tables: list[dict[str, Any]] = [schema, *(node for node in schema["$defs"].values() if "properties" in node)]
    for table in tables:
        assert table["additionalProperties"] is False
        for key, node in table["properties"].items():
            referred = schema["$defs"].get(node.get("$ref", "").rpartition("/")[2], {})
            assert node.get("description") or referred.get("description"), key
            if key.endswith("_s") and node.get("type") == "number" and key != "zipf_s":
                assert node["x-unit"] == "seconds"


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_each_scenario_loads_and_validates(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#:schema schema.json\n")
    jsonschema.validate(tomllib.loads(text), json_schema())
    scenario = _committed(path, monkeypatch)
    assert scenario.name == path.stem
    # Unless next to nothing would expire however long it ran.
    longest = max((ttl_s for ttl_s in scenario.ttl_s if scenario.load.most_expiries(ttl_s) > FEW_EXPIRIES), default=0)
    assert scenario.load.measure_s > longest and scenario.load.warm_up_s >= 2 * longest


def test_quick_is_done_in_three_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As its comment says. Warm-ups end 0.6 s after one TTL on average: 13 s more than the shortest."""
    scenario = _committed(ROOT / "scenarios/quick.toml", monkeypatch)
    assert _total_s(cells(scenario), scenario) == (141, 231)
    assert _total_s(cells(scenario, {"nginx"}), scenario) == (78, 132)
    assert scenario.repeats >= 3
    assert scenario.load.rate_rps * scenario.load.measure_s >= 1100  # a p99 needs 1000, and arrivals are random


def test_ttl_sweep_is_done_in_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = _committed(ROOT / "scenarios/ttl_sweep.toml", monkeypatch)
    assert _total_s(cells(scenario), scenario) == (312, 594)
    assert scenario.repeats >= 3
