"""The answer parser against llhttp, on generated answers: valid ones, damaged ones, cut in every way.

`EDGEBENCH_FUZZ_EXAMPLES=100000 pytest -s tests/load/test_load_http1_fuzz.py` runs more of them; with -s the counts are
printed. --hypothesis-seed=N gives other ones or the same ones again.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgebench.load.answer import Headers
from edgebench.load.head import HeadReader, ProtocolError
from edgebench.load.http1 import AnswerParser, Limits
from tests.load.http1_answers import Valid, cut, damaged_answers, valid_answers
from tests.load.http1_oracle import Reading, llhttp
from tests.load.http1_rules import RULES, Case, Rule, disagreement, rules_of

_EXAMPLES = int(os.environ.get("EDGEBENCH_FUZZ_EXAMPLES", "3300"))
_LEFTOVERS = "bytes after the end of the answer"
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
_SHARED = AnswerParser(HeadReader())
"""One parser that reads everything, as a connection's does: what was before must not matter."""


def read(parser: AnswerParser, pieces: list[bytes], head_only: bool = False) -> Reading | str:
    """What `parser` makes of one answer on a connection that closes after the last piece; a text: its refusal.

    An answer that ended with a piece while there is another one has leftovers: that is the connection's to see.
    """
    parser.begin(head_only=head_only)
    try:
        for number, piece in enumerate(pieces, start=1):
            answer = parser.feed(piece)
            if answer is not None:
                if number < len(pieces):
                    return _LEFTOVERS
                break
        else:
            answer = parser.end()
    except ProtocolError as error:
        return str(error)
    fields = tuple(sorted(Headers(answer.head).items()))
    return Reading(answer.says.status, fields, answer.body, answer.says.keep_alive)


def judged(data: bytes, head_only: bool) -> tuple[Case, list[Rule]]:
    case = Case(data, head_only, read(AnswerParser(), [data], head_only), llhttp(data, head_only=head_only))
    return case, rules_of(case)


class Tally(Counter[str]):
    def count(self, case: Case, rules: list[Rule]) -> None:
        self["cases"] += 1
        self["feeds: one piece, byte by byte, two pieces at every byte, at random"] += len(case.data) + 2
        if rules:
            self[f"{disagreement(case)}: {rules[0].name}"] += 1
        elif isinstance(case.ours, str):
            self["both refuse"] += 1
            self[f"both refuse: {case.ours}"] += 1
        else:
            self["both read the same"] += 1


@pytest.fixture(scope="module")
def tally() -> Iterator[Tally]:
    counts = Tally()
    yield counts
    print("\n" + "\n".join(f"{number:>12,}  {what}" for what, number in sorted(counts.items())))


def every_cut_gives(expected: Reading | str, data: bytes, head_only: bool, at_random: list[bytes]) -> None:
    for at in range(1, len(data)):
        assert read(_SHARED, [data[:at], data[at:]], head_only) == expected, f"cut at {at}"
    assert read(_SHARED, [data[at : at + 1] for at in range(len(data))], head_only) == expected, "byte by byte"
    assert read(_SHARED, at_random, head_only) == expected, f"{at_random}"


@settings(max_examples=_EXAMPLES // 3, suppress_health_check=_SLOW)
@given(answer=valid_answers(), data=st.data())
def test_a_valid_answer_is_read_as_it_was_meant_and_as_llhttp_reads_it(
    tally: Tally, answer: Valid, data: st.DataObject
) -> None:
    case, rules = judged(answer.data, answer.head_only)
    assert isinstance(case.ours, Reading), case.ours
    assert (case.ours.status, case.ours.body, case.ours.keep_alive) == (answer.status, answer.body, answer.keep_alive)
    assert rules or disagreement(case) is None, case.theirs
    every_cut_gives(case.ours, answer.data, answer.head_only, data.draw(cut(answer.data)))
    tally.count(case, rules)


@settings(max_examples=_EXAMPLES - _EXAMPLES // 3, suppress_health_check=_SLOW)
@given(damaged=damaged_answers(), data=st.data())
def test_a_damaged_answer_is_read_as_llhttp_reads_it_or_a_rule_says_why_not(
    tally: Tally, damaged: tuple[bytes, bool], data: st.DataObject
) -> None:
    case, rules = judged(*damaged)
    assert rules or disagreement(case) is None, f"{disagreement(case)}: {case.ours}; llhttp: {case.theirs}"
    every_cut_gives(case.ours, *damaged, data.draw(cut(damaged[0])))
    tally.count(case, rules)


def test_the_fuzzing_reached_what_there_is_to_reach(tally: Tally) -> None:
    if not tally:
        pytest.skip("nothing was fuzzed before")
    assert tally["both read the same"] > tally["cases"] / 4
    assert tally["both refuse"] > tally["cases"] / 8
    assert tally["we refuse: bytes after the end"] > 0
    assert sum(what.startswith("both refuse: ") for what in tally) >= 6


def _limits() -> st.SearchStrategy[Limits]:
    return st.builds(
        Limits, head_bytes=st.integers(20, 300), body_bytes=st.integers(0, 60), interim_answers=st.integers(0, 2)
    )


@settings(max_examples=max(100, _EXAMPLES // 10), suppress_health_check=_SLOW)
@given(damaged=damaged_answers(), limits=_limits(), data=st.data())
def test_limits_only_ever_refuse_and_wherever_the_bytes_are_cut(
    damaged: tuple[bytes, bool], limits: Limits, data: st.DataObject
) -> None:
    whole, head_only = damaged
    parser = AnswerParser(HeadReader(), limits)
    limited = read(parser, [whole], head_only)
    assert read(parser, [whole[at : at + 1] for at in range(len(whole))], head_only) == limited
    assert read(parser, data.draw(cut(whole)), head_only) == limited
    if not (isinstance(limited, str) and limited.endswith("over the limit")):
        assert limited == read(AnswerParser(), [whole], head_only)
        assert isinstance(limited, str) or len(limited.body) <= limits.body_bytes


@settings(max_examples=max(100, _EXAMPLES // 10))
@given(
    st.sampled_from(
        [b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\nConte", b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n"]
    ),
    st.binary(max_size=200),
    st.booleans(),
)
def test_anything_at_all_is_an_answer_or_a_refusal(start: bytes, garbage: bytes, head_only: bool) -> None:
    case, rules = judged(start + garbage, head_only)
    assert rules or disagreement(case) is None, f"{disagreement(case)}: {case.ours}; llhttp: {case.theirs}"
    every_cut_gives(case.ours, case.data, head_only, [case.data] if case.data else [])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_has_a_case(rule: Rule) -> None:
    case, rules = judged(rule.example, False)
    assert rules and rules[0] == rule
    every_cut_gives(case.ours, rule.example, False, [rule.example])
