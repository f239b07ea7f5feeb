"""Samples on their way to the master, over channels that lose, double and stop."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import gevent
import pytest
from locust.exception import RPCSendError

from edgebench.load import channel, samples
from edgebench.load.channel import ChannelSink, Inbox
from edgebench.load.record import BUFFER_BYTES, Recorder

SAMPLES = 5000


def fill(recorder: Recorder, number: int, claim: str = "x-cache: hit") -> None:
    at_ns = 10**9 + number
    endpoint = ("GET", f"/e/{number % 5}")
    recorder.record(
        at_ns, at_ns, at_ns + 1, at_ns + 2, 0, endpoint, f"/k/{number}", 200, 5, claim, -1, number, 0, 1, 0, None
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "RESEND_S", 0.02)
    monkeypatch.setattr(channel, "PAUSE_S", 0.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_channel_that_loses_and_doubles_loses_and_doubles_no_sample(tmp_path: Path, quick: None, seed: int) -> None:
    chance = random.Random(seed)
    inbox = Inbox(tmp_path / "master", 0)
    most: list[int] = []

    def send(chunk: dict[str, Any]) -> None:
        most.append(max(len(chunk["records"]), len(chunk["strings"])))
        fate = chance.random()
        if fate < 0.1:
            raise RPCSendError("no")
        for _ in range(0 if fate < 0.3 else 2 if fate < 0.4 else 1):
            following = inbox.take(json_free(chunk))
            if chance.random() < 0.8:
                gevent.spawn_later(chance.random() * 0.01, sink.acknowledged, following)

    sink = ChannelSink(send)
    recorder = Recorder([sink])
    for number in range(SAMPLES):
        fill(recorder, number)
        if chance.random() < 0.01:
            recorder.flush()
            gevent.sleep(0)
    recorder.close()
    inbox.close()
    assert inbox.received == recorder.recorded == SAMPLES
    assert inbox.last_done_ns == 10**9 + SAMPLES - 1 + 2
    table = samples.read(tmp_path / "master", 0)
    assert table["origin_seq"].to_pylist() == list(range(SAMPLES))
    assert table["key"].to_pylist() == [f"/k/{number}" for number in range(SAMPLES)]
    assert max(most) <= BUFFER_BYTES


def json_free(chunk: dict[str, Any]) -> dict[str, Any]:
    """As it comes out of Locust's channel."""
    return {"number": chunk["number"], "records": bytes(chunk["records"]), "strings": bytes(chunk["strings"])}


def test_long_strings_come_in_bounded_chunks_before_their_records(tmp_path: Path, quick: None) -> None:
    inbox = Inbox(tmp_path, 0)

    def send(chunk: dict[str, Any]) -> None:
        assert len(chunk["strings"]) <= BUFFER_BYTES
        gevent.spawn(sink.acknowledged, inbox.take(json_free(chunk)))

    sink = ChannelSink(send)
    recorder = Recorder([sink])
    for number in range(1000):
        fill(recorder, number, claim=f"x-cache: {'é' * 300} {number}")
    recorder.close()
    inbox.close()
    told = [json.loads(line) for line in (tmp_path / "strings-0.jsonl").read_bytes().splitlines()]
    assert sum(kind == "text" for kind, _, _ in told) == 1000
    assert samples.read(tmp_path, 0).num_rows == 1000


def test_not_more_than_a_window_is_under_way(quick: None) -> None:
    sent: list[int] = []
    sink = ChannelSink(lambda chunk: sent.append(chunk["number"]))
    for _ in range(3 * channel.WINDOW):
        sink.write(memoryview(bytes(64)), ())
    gevent.sleep(0.01)
    assert sorted(set(sent)) == list(range(channel.WINDOW))
    sink.acknowledged(5)
    gevent.sleep(0.01)
    assert max(sent) == channel.WINDOW + 4


def test_a_master_that_never_answers_is_not_waited_for_for_ever(
    quick: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(channel, "GIVE_UP_S", 0.05)
    monkeypatch.setattr(channel, "LIMIT_BYTES", 100 * 64)
    sink = ChannelSink(lambda chunk: None)
    recorder = Recorder([sink])
    for number in range(SAMPLES):
        fill(recorder, number)
    recorder.close()
    assert recorder.recorded == SAMPLES  # which the master is told, and finds that it has fewer
    assert "further ones are lost" in caplog.text
