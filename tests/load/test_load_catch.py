"""catch_response under a real Locust, beside what its own FastHttpUser does with the same blocks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.load.runs import run
from tests.load.server import Seen, ok, serving

LOCUSTFILE = """
import json
from pathlib import Path
import gevent
from locust import FastHttpUser, events, task
from locust.exception import ResponseError
from edgebench.load import EdgeUser

OUT = Path(%r)
told = {}

def blocks(client):
    with client.get("/good", catch_response=True) as response:
        assert response.json() == {"a": 1}
    with client.get("/404", catch_response=True):
        pass
    with client.get("/404", catch_response=True) as response:
        response.success()
    with client.get("/good", catch_response=True) as response:
        response.failure("why")
    with client.get("/good", catch_response=True) as response:
        response.failure(KeyError("mine"))
        response.success()
    with client.get("/good", catch_response=True) as response:
        response.success()
        response.failure("after all")
    with client.get("/good", catch_response=True):
        raise ResponseError("not for the task")
    with client.get("/good", name="[renamed]", catch_response=True) as response:
        response.request_meta["name"] = "[later]"
    with client.get("/good", name="[outer]", catch_response=True) as response:
        client.get("/good", name="[inner]")
    for method in (client.post, client.put, client.patch):
        with method("/good", json={"a": 1}, catch_response=True) as response:
            response.raise_for_status()
    with client.request("GET", "/404", catch_response=True) as response:
        response.success()
        response.raise_for_status()
    try:
        with client.get("/good", catch_response=True) as response:
            response.failure("said")
            raise ZeroDivisionError("and raised")
    except ZeroDivisionError:
        pass

def rest(user):
    with user.rest("GET", "/good") as response:
        assert response.js == {"a": 1}
    with user.rest("POST", "/good", json={"b": 2}) as response:
        assert response.js["a"] == 2, "a should be two,"
    with user.rest("GET", "/text") as response:
        assert response.js is None
    with user.rest_("GET", "/good?x=1") as response:
        assert response.status_code == 200

def only_ours(client):
    try:
        with client.get("/good", name="[raised]", catch_response=True):
            1 / 0
    except ZeroDivisionError:
        pass
    with client.get("/gzip", name="[undecodable]", catch_response=True) as response:
        response.text
    client.get("/good", name="[never entered]", catch_response=True)
    with client.get("/cut", name="[cut]", catch_response=True) as response:
        assert response.error == "answer cut off"
    with client.get("/gone", name="[gone]", allow_redirects=True, catch_response=True) as response:
        assert response.url.endswith("/good")
    with client.get("/out", name="[out]", allow_redirects=True, catch_response=True) as response:
        response.success()

class Fast(FastHttpUser):
    fixed_count = 1
    def on_start(self):
        blocks(self.client)
        rest(self)
        self.environment.done.append("Fast")
    @task
    def nothing(self):
        gevent.sleep(1)

class Edge(EdgeUser):
    fixed_count = 1
    def on_start(self):
        blocks(self.client)
        rest(self)
        only_ours(self.client)
        self.environment.done.append("Edge")
    @task
    def nothing(self):
        gevent.sleep(1)

@events.init.add_listener
def listen(environment, **_):
    environment.done = []
    def on_request(request_type, name, response, exception, context, response_length, start_time, url, **more):
        assert more.keys() == {"response_time"}
        user = "Fast" if "fasthttp" in type(response).__module__ else "Edge"
        name = name.partition("_=")[0]
        told.setdefault(user, []).append([request_type, name, response.status_code, repr(exception), response_length])
    environment.events.request.add_listener(on_request)

@events.quitting.add_listener
def write(environment, **_):
    failures = sorted((error.name, str(error.error)) for error in environment.stats.errors.values())
    OUT.write_text(json.dumps({"told": told, "done": environment.done, "failures": failures}))
"""
REPLIES = {
    "/404": ok(b"none", status="404 Not Found"),
    "/text": ok(b"no json"),
    "/gzip": ok(b"no gzip", "Content-Encoding: gzip"),
    "/cut": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf\0close\0",
    "/gone": ok(b"", "Location: /good", status="301 Moved"),
    "/out": ok(b"", "Location: http://other.example/", status="301 Moved"),
}


def reply(seen: Seen) -> bytes:
    return REPLIES.get(seen.target, ok(b'{"a":1}'))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("catch")
    with serving(reply) as server:
        done = run(
            directory, server.url, "-u", "2", "--rate", "0", "--measure", "1",
            locustfile=LOCUSTFILE % str(directory / "out.json"),
        )  # fmt: skip
    assert done.code == 0, done.output
    told: dict[str, Any] = json.loads((directory / "out.json").read_text())
    assert sorted(told["done"]) == ["Edge", "Fast"], done.output
    told["rows"] = [row["endpoint"] for row in done.rows if row["user"] is not None and row["user"] >= 0]
    return told


def without_details(events: list[list[Any]]) -> list[list[Any]]:
    """FastHttpUser has its own exception for a status, and says more about JSON that is none."""
    return [
        [method, name, status, "status" if "StatusE" in error or "BadStatus" in error else error[:40], length]
        for method, name, status, error, length in events
    ]


def test_blocks_end_as_with_locusts_own_client(result: dict[str, Any]) -> None:
    ours, locusts = result["told"]["Edge"], result["told"]["Fast"]
    assert len(locusts) == 19
    assert without_details(ours[: len(locusts)]) == without_details(locusts)
    assert [error for *_, error, _ in ours[:7]] == [
        "None", "StatusError('HTTP 404')", "None", "CatchResponseError('why')", "None",
        "CatchResponseError('after all')", "ResponseError('not for the task')",
    ]  # fmt: skip


def test_what_locust_leaves_out_is_a_failure_too(result: dict[str, Any]) -> None:
    rest = {name: error for _, name, _, error, _ in result["told"]["Edge"][19:]}
    assert rest == {
        "[raised]": "ZeroDivisionError('division by zero')",
        "[undecodable]": "DecodingError('body not decodable as gzip: incorrect header check')",
        "[cut]": "ConnectionFailed('answer cut off')",
        "[gone]": "None",
        "[out]": "None",
    }


def test_locusts_tables_show_it_and_the_record_has_all(result: dict[str, Any]) -> None:
    assert ["/good", "why"] in result["failures"]
    assert ["[raised]", "division by zero"] in result["failures"]
    assert not any("[out]" in failure for failure in result["failures"])
    assert result["rows"].count("[never entered]") == 1
    assert result["rows"].count("[gone] (redirected)") == 1
    assert {"[inner]", "[outer]", "[renamed]"} <= set(result["rows"])
