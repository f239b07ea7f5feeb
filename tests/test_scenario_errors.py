"""Whatever is wrong with a scenario ends in one line: where, what was expected, what was got, what may be meant."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench.errors import UserError
from edgebench.model import Scenario
from edgebench.scenario import ScenarioError, json_schema, load

KINDS = ("direct", "nginx", "varnish")
GOOD = """\
name = "demo"
question = "Why?"
locustfile = "locustfiles/api.py"
repeats = 2
baseline = "direct"

[load]
rate_rps = 100
measure_s = 5

[origin]
env = { FLASK_TTL_S = "{ttl_s}" }

[[tiers]]
name = "direct"

[[tiers]]
name = "edge"
kind = "nginx"

[axes]
ttl_s = [1, 5]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a locustfile and an empty scenarios/, which is the current directory."""
    return _project(tmp_path, monkeypatch)


def _project(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("locustfiles", "scenarios"):
        (root / folder).mkdir()
    (root / "locustfiles/api.py").touch()
    monkeypatch.chdir(root)
    return root


def message_of(text: str | bytes, *overrides: str) -> str:
    path = Path("scenarios/x.toml")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ScenarioError) as caught:
        load(path, overrides, kinds=KINDS)
    assert isinstance(caught.value, UserError) and caught.value.exit_code == 2
    return str(caught.value)


TTL = "expected a whole number of seconds from 0 to 31536000"
TTLS = "expected a list of whole numbers of seconds, at least one, such as [1, 5, 60]"
REPEATS = "expected a whole number of trials from 1 to 100"
KIND = "expected one of direct, nginx, url, varnish"
FILE = "expected a file that exists"
APP = "expected a WSGI app as module:variable or module:factory()"
NAME = "a name of the letters a-z, digits, _ and -, at most 64 long"
FACTOR = "expected a number from 1 to 1000"
SHARE = "expected a number from 0.001 to 0.999"
BURST = "expected a number of seconds from 0.001 to 3600"
MOST = "expected at most 1 / burst_share = 10, got 11: bursts alone would exceed the mean"
HOLD = "expected bursts of at least 1 request on average, got 0.5; raise it, rate_rps or burst_factor"
KINDS_OF_ARRIVALS = "poisson, constant, bursty, step, replay"
STEP_KEYS = "expected a whole number of keys from 0 to 10000000"
STEP = "expected the step to end within measure_s, 5"
NAMED = "expected replay, as load.replay names a file, got poisson"
OPEN = "expected open, as a closed load has no arrivals to replay, got closed"
REPLAY = "expected the path of a file with recorded times, such as traffic.csv"
CHANGES = [
    # unknown keys
    ("rate_rps", "rate_rsp", "8: load.rate_rsp: unknown key; did you mean rate_rps?"),
    ("measure_s", "Measure", "9: load.Measure: unknown key; did you mean measure_s?"),
    ("question", "quesiton", "2: quesiton: unknown key; did you mean question?"),
    ("[load]", "[laod]", "7: laod: unknown key; did you mean load?"),
    ("kind =", "optionl =", "19: tiers[1].optionl: unknown key; did you mean optional?"),
    ("measure_s", "seed", "9: load.seed: unknown key; did you mean seed at the top, before the first [table]?"),
    ("repeats = 2", "repeats = 2\nusers = 3", "5: users: unknown key; did you mean users in [load]?"),
    ("repeats = 2", "repeats = 2\noptional = true", "5: optional: unknown key; did you mean optional in [[tiers]]?"),
    ("ttl_s = [", "x = 1\nttl_s = [", "22: axes.x: unknown key; expected one of ttl_s, network"),
    ("ttl_s = [", '"a\\nb" = 1\nttl_s = [', "22: axes.'a\\nb': unknown key; expected one of ttl_s, network"),
    # wrong types, units and ranges
    ("= 100", '= "5s"', "8: load.rate_rps: expected a number of requests per second from 0 to 1000000, got '5s'"),
    ("= 100", "= 0", "8: load.rate_rps: expected more than 0 requests per second for an open load, got 0"),
    ("= 100", "= -1", "8: load.rate_rps: expected a number of requests per second from 0 to 1000000, got -1"),
    ("= 100", "= nan", "8: load.rate_rps: expected a number of requests per second from 0 to 1000000, got nan"),
    ("measure_s = 5", 'measure_s = "5s"', "9: load.measure_s: expected a number of seconds from 1 to 86400, got '5s'"),
    ("measure_s = 5", "measure_s = true", "9: load.measure_s: expected a number of seconds from 1 to 86400, got true"),
    ("measure_s = 5", "measure_s = 0.5", "9: load.measure_s: expected a number of seconds from 1 to 86400, got 0.5"),
    ("measure_s = 5", "users = 0", "9: load.users: expected a whole number of users from 1 to 100000, got 0"),
    ("measure_s = 5", "users = 2.0", "9: load.users: expected a whole number of users from 1 to 100000, got 2.0"),
    ("measure_s = 5", "keys = 0", "9: load.keys: expected a whole number of keys from 1 to 10000000, got 0"),
    ("measure_s = 5", "zipf_s = 6", "9: load.zipf_s: expected a number from 0 to 5, got 6"),
    ("measure_s = 5", "private_share = 3", "9: load.private_share: expected a number from 0 to 1, got 3"),
    ("measure_s = 5", 'model = "opne"', "9: load.model: expected one of open, closed, got 'opne'; did you mean open?"),
    ("measure_s = 5", "arrivals = 1", f"9: load.arrivals: expected one of {KINDS_OF_ARRIVALS}, got 1"),
    # bursts and replay: the default burst_share is 0.1, and a burst lasts a second
    ("= 100", '= 100\narrivals = "bursty"\nburst_factor = 0.5', f"10: load.burst_factor: {FACTOR}, got 0.5"),
    ("= 100", '= 100\narrivals = "bursty"\nburst_share = 1', f"10: load.burst_share: {SHARE}, got 1"),
    ("= 100", '= 100\narrivals = "bursty"\nburst_s = 0', f"10: load.burst_s: {BURST}, got 0"),
    ("= 100", '= 100\narrivals = "bursty"\nburst_factor = 11', f"10: load.burst_factor: {MOST}"),
    ("= 100", '= 100\narrivals = "bursty"\nburst_s = 0.001', f"10: load.burst_s: {HOLD}"),
    ("= 100", '= 100\narrivals = "step"\nstep_at_s = 3\nstep_s = 2.5', f"11: load.step_s: {STEP}, got 5.5"),
    ("= 100", '= 100\narrivals = "step"\nstep_at_s = 5', f"10: load.step_at_s: {STEP}, got 8"),
    ("= 100", '= 100\nstep_keys = 0.5', f"9: load.step_keys: {STEP_KEYS}, got 0.5"),
    ("= 100", '= 100\narrivals = "replay"', f"7: load.replay: missing; {REPLAY}"),
    ("= 100", '= 100\nreplay = "no.csv"\narrivals = "replay"', f"9: load.replay: {FILE}, got 'no.csv'"),
    ("= 100", '= 100\nreplay = 1\narrivals = "replay"', f"9: load.replay: {REPLAY}, got 1"),
    ("= 100", '= 100\nreplay = "locustfiles/api.py"', f"7: load.arrivals: {NAMED}"),
    ("= 100", '= 100\nreplay_speed = 0', "9: load.replay_speed: expected a number from 0.001 to 1000, got 0"),
    ("= 100", '= 1\nmodel = "closed"\narrivals = "replay"', f"9: load.model: {OPEN}"),
    ("repeats = 2", "repeats = 0", f"4: repeats: {REPEATS}, got 0"),
    ("repeats = 2", "repeats = 1979-05-27", f"4: repeats: {REPEATS}, got 1979-05-27"),
    ('name = "demo"', 'name = "a/b"', f"1: name: expected {NAME}, got 'a/b'"),
    ('name = "edge"', 'name = "Edge"', f"18: tiers[1].name: expected {NAME}, got 'Edge'"),
    ('"Why?"', '" "', "2: question: expected a question in words, got ' '"),
    ("env = {", "port = 80\nenv = {", "12: origin.port: expected a whole number from 1024 to 65535, got 80"),
    ("env = {", 'app = "shop"\nenv = {', f"12: origin.app: {APP}, got 'shop'"),
    ('"{ttl_s}"', "5", "12: origin.env.FLASK_TTL_S: expected text, got 5"),
    ('"{ttl_s}"', '"{ttl}"', "12: origin.env.FLASK_TTL_S: expected {ttl_s} for the cell's TTL, got '{ttl}'"),
    ("FLASK_TTL_S", '"A=B"', "12: origin.env.'A=B': expected a variable's name of letters, digits and _, got 'A=B'"),
    ("env = {", "rewrite_ttl = 1\nenv = {", "12: origin.rewrite_ttl: expected true or false, got 1"),
    # axes
    ("[1, 5]", '[1, "5s"]', f"22: axes.ttl_s[1]: {TTL}, got '5s'"),
    ("[1, 5]", "[1,\n 31536001]", f"22: axes.ttl_s[1]: {TTL}, got 31536001"),
    ("[1, 5]", "[]", f"22: axes.ttl_s: {TTLS}, got []"),
    ("[1, 5]", "5", f"22: axes.ttl_s: {TTLS}, got 5"),
    ("[1, 5]", "[1, 5, 1]", "22: axes.ttl_s: expected each TTL once, got 1 more than once"),
    # what belongs together
    ('"nginx"', '"ngnix"', f"19: tiers[1].kind: {KIND}, got 'ngnix'; did you mean nginx?"),
    ('kind = "nginx"', "", f"18: tiers[1].name: {KIND} (or any name, with one of these as its "
     "kind), got 'edge'"),
    ('name = "edge"', 'name = "direct"', "18: tiers[1].name: expected each name once, got 'direct' again"),
    ('baseline = "direct"', 'baseline = "egde"', "5: baseline: expected the name of a tier (direct, edge), got 'egde'; "
     "did you mean edge?"),
    ("api.py", "apy.py", f"3: locustfile: {FILE}, got 'locustfiles/apy.py'; did you mean "
     "locustfiles/api.py?"),
    ("locustfiles/api.py", "x" * 5000, f"3: locustfile: {FILE}, got '{'x' * 57} …"),
    ("locustfiles/api.py", "a\\u0000", "3: locustfile: expected the path of a locustfile, such as locustfiles/api.py, "
     "got 'a\\x00'"),
    # what is missing
    ("repeats = 2", "", f" repeats: missing; {REPEATS}"),
    ('name = "edge"', "", f"17: tiers[1].name: missing; expected {NAME}"),
    ("[axes]\nttl_s = [1, 5]", "", " axes: missing; expected an [axes] table"),
    ("ttl_s = [1, 5]", "", f"21: axes.ttl_s: missing; {TTLS}"),
    # several
    ("[load]\nrate_rps = 100", "x = 1\n[load]\nrate = 1\nusers = 0", "7: x: unknown key; expected one of name, "
     "question, locustfile, repeats, seed, baseline, profile, load, origin, tiers, axes, claim, networks, variants, "
     "prices, browser, short (and 2 more)"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), CHANGES)
def test_one_line_says_where_what_and_what_was_meant(project: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    assert message_of(GOOD.replace(old, new, 1)) == f"scenarios/x.toml:{message}"


OVERRIDES = [
    ("load.rate_rsp=5", "load.rate_rsp: unknown key; did you mean load.rate_rps?"),
    ("rate_rps=5", "rate_rps: unknown key; did you mean load.rate_rps?"),
    ("axes.qqq=5", "axes.qqq: unknown key; expected one of ttl_s, network"),
    ("tiers.optional=true", "tiers.optional: unknown key; did you mean optional in [[tiers]]?"),
    ("load.measure_s=5s", "load.measure_s: expected a number of seconds from 1 to 86400, got '5s'"),
    ("axes.ttl_s=[1,'x']", f"axes.ttl_s[1]: {TTL}, got 'x'"),
    ("axes.ttl_s=[1,", f"axes.ttl_s: {TTLS}, got '[1,'"),
    ("repeats=", f"repeats: {REPEATS}, got ''"),
    ("repeats=1\nseed=2", f"repeats: {REPEATS}, got '1\\nseed=2'"),
    ("load=3", "load: expected a [load] table, got 3"),
    ("baseline=egde", "baseline: expected the name of a tier (direct, edge), got 'egde'; did you mean edge?"),
    ("repeats", "'repeats': expected key=value, such as load.rate_rps=500"),
    ("load..x=1", "'load..x=1': expected key=value, such as load.rate_rps=500"),
]  # fmt: skip


@pytest.mark.parametrize(("override", "message"), OVERRIDES)
def test_an_override_is_named_as_the_place(project: Path, override: str, message: str) -> None:
    assert message_of(GOOD, override) == f"--set {message}"


def test_the_command_line_comes_first_among_several(project: Path) -> None:
    assert message_of(GOOD.replace("rate_rps", "rate_rsp"), "repeats=0") == (
        "--set repeats: expected a whole number of trials from 1 to 100, got 0 (and 1 more)"
    )


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("name = 5s", "1:9: not valid TOML: "),
        ("name = 'a'\nname = 'b'\n", "2:"),
        ("name = 'a'\nx = [1,\n2\n", "2: not valid TOML: "),
        ("x = " + "9" * 5000, "1: not valid TOML: "),
        ("x = " + "[" * 5000, "1"),
        (b"name = 'a'\n# \xff", "2: expected UTF-8 text, got the byte 0xff"),
    ],
)
def test_a_syntax_error_has_line_and_column(project: Path, text: str | bytes, start: str) -> None:
    message = message_of(text)
    assert message.startswith(f"scenarios/x.toml:{start}")
    assert len(message.splitlines()) == 1 and len(message) < 250


@pytest.mark.parametrize("depth", [10, 200, 450, 900, 5000])
def test_deep_nesting_is_one_line_too(project: Path, depth: int) -> None:
    dotted, listed, tabled = ".".join("a" * depth), "[" * depth + "]" * depth, "{a=" * depth + "1" + "}" * depth
    for text in (f"{dotted} = 1", f"[{dotted}]", f"axes = {listed}", f"axes = {tabled}"):
        assert len(message_of(text).splitlines()) == 1
    for override in (f"{dotted}=1", f"axes={listed}", f"axes={tabled}", f"axes.ttl_s={listed}"):
        assert len(message_of(GOOD, override).splitlines()) == 1


def test_a_missing_file_names_those_that_exist(project: Path) -> None:
    for name in ("quick", "ttl_sweep"):
        Path(f"scenarios/{name}.toml").touch()
    has = "quick.toml, ttl_sweep.toml"
    for path, message in {
        "scenarios/quik.toml": f"scenarios/quik.toml: no such file; did you mean scenarios/quick.toml? (all: {has})",
        "quick": f"quick: no such file; did you mean scenarios/quick.toml? (all: {has})",
        "scenarios/zzz.toml": f"scenarios/zzz.toml: no such file; scenarios has {has}",
        "scenarios": f"scenarios: expected a scenario file, got a folder; scenarios has {has}",
        "no/x.toml": "no/x.toml: no such file; expected a scenario file, such as scenarios/quick.toml",
        "a\0b": "'a\\x00b': cannot be read: embedded null byte",
    }.items():
        with pytest.raises(ScenarioError) as caught:
            load(Path(path), kinds=KINDS)
        assert str(caught.value) == message


# --- whatever a TOML file can hold -------------------------------------------------------------------------------

_KEYS = ["name", "question", "locustfile", "repeats", "seed", "baseline", "load", "origin", "tiers", "axes"]
_INNER_KEYS = ["model", "rate_rps", "users", "keys", "app", "port", "env", "kind", "optional", "ttl_s"]
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_KEY = st.sampled_from(_KEYS + _INNER_KEYS) | _TEXT
_SCALAR = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    _TEXT,
    st.sampled_from(["open", "direct", "nginx", "locustfiles/api.py", 0, 1, 5, 10**400]),
    st.dates(),
    st.times(),
    st.datetimes(),
)
_VALUE = st.recursive(_SCALAR, lambda v: st.lists(v, max_size=4) | st.dictionaries(_KEY, v, max_size=4), max_leaves=8)
_DOCUMENT = st.dictionaries(_KEY, _VALUE, max_size=8)


def as_toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{as_toml(str(key))} = {as_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)  # inf and nan as TOML has them
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _load_anything(text: str, *overrides: str) -> Scenario | None:
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
        _project(Path(root), patch)
        path = Path("scenarios/x.toml")
        path.write_bytes(text.encode())
        try:
            return load(path, overrides, kinds=KINDS)
        except ScenarioError as error:
            message = str(error)
    assert len(message.splitlines()) == 1 and "errors.pydantic.dev" not in message
    assert message.startswith(("scenarios/x.toml:", "--set "))
    return None


def is_schema_valid(document: Mapping[str, Any]) -> bool:
    return jsonschema.Draft202012Validator(json_schema()).is_valid(document)


@settings(deadline=None)  # a busy machine is no failure
@given(_DOCUMENT)
def test_no_document_raises_anything_else(document: dict[str, Any]) -> None:
    text = "".join(f"{as_toml(key)} = {as_toml(value)}\n" for key, value in document.items())
    _load_anything(text)


@settings(deadline=None)  # a busy machine is no failure
@given(st.data())
def test_what_the_schema_rejects_the_loader_rejects(data: st.DataObject) -> None:
    """A good document with one value put in anywhere: the editor may let more pass than the loader, never less."""
    document: dict[str, Any] = {
        "name": "demo",
        "question": "Why?",
        "locustfile": "locustfiles/api.py",
        "repeats": 2,
        "baseline": "direct",
        "load": {"rate_rps": 100, "users": 4},
        "origin": {"env": {"A": "b"}},
        "tiers": [{"name": "direct"}, {"name": "nginx"}],
        "axes": {"ttl_s": [1, 5]},
    }
    place = data.draw(
        st.sampled_from([document, *(document[k] for k in ("load", "origin", "axes")), *document["tiers"]])
    )
    key = data.draw(st.sampled_from(sorted(place)) | st.sampled_from(_INNER_KEYS) | _TEXT)
    place[key] = data.draw(_VALUE)
    text = "".join(f"{as_toml(key)} = {as_toml(value)}\n" for key, value in document.items())
    if _load_anything(text) is not None:
        assert is_schema_valid(document)


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(max_size=80))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    _load_anything(text)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.sampled_from(["repeats", "load.users", "origin.app", "axes.ttl_s", "tiers", "load", ""]), st.text(max_size=30)
)
def test_no_override_raises_anything_else(key: str, value: str) -> None:
    _load_anything(GOOD, f"{key}={value}")
    _load_anything(GOOD, value)
