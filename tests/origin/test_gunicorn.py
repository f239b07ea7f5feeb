"""The ledger under a real gunicorn: several workers, several threads, a worker killed in the act."""

from __future__ import annotations

import http.client
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import psutil

from edgebench.origin import rows
from edgebench.runner.stack import Stack
from tests.client import Answer, ask, ask_at_once
from tests.origin.workers import await_workers

StartStack = Callable[..., Stack]


def ledger(stack: Stack) -> pd.DataFrame:
    table: pd.DataFrame = rows.read(stack.ledger, 0).to_pandas()
    return table


def test_every_answer_is_in_the_ledger_once(start_stack: StartStack) -> None:
    stack = start_stack(workers=3)
    await_workers(stack, 3)
    targets = [f"/public/{number}?delay_ms={number % 3}" for number in range(120)]
    answers = [each for at in range(0, 120, 12) for each in ask_at_once(stack.url, targets[at : at + 12])]
    found = ledger(stack).set_index("seq")
    assert found.index.is_unique
    assert found.key.isin(targets).sum() == 120
    for target, answer in zip(targets, answers, strict=True):
        assert answer.seq is not None
        row = found.loc[answer.seq]
        assert (row.key, row.status, row.bytes) == (target, 200, len(answer.body))


def test_nothing_is_lost_when_a_worker_is_killed(start_stack: StartStack) -> None:
    stack = start_stack(workers=2)
    gunicorn = psutil.Process(stack.services[0].pid)
    victim = gunicorn.children()[0].pid

    def client(number: int) -> list[tuple[str, Answer]]:
        got = []
        for count in range(60):
            target = f"/public/{number}-{count}"
            try:
                got.append((target, ask(stack.url, target)))
            except (OSError, http.client.HTTPException):  # the request the killed worker had in hand
                continue
            if number == 0 and count == 20:
                os.kill(victim, signal.SIGKILL)
        return got

    with ThreadPoolExecutor(4) as pool:
        complete = [pair for pairs in pool.map(client, range(4)) for pair in pairs]
    deadline = time.monotonic() + 10
    while len({child.pid for child in gunicorn.children()} - {victim}) < 2:
        assert time.monotonic() < deadline, "gunicorn did not replace the killed worker"
        time.sleep(0.02)
    complete += [(f"/public/after-{count}", ask(stack.url, f"/public/after-{count}")) for count in range(10)]

    found = ledger(stack).set_index("seq")
    assert found.index.is_unique
    assert len(complete) > 200
    for target, answer in complete:
        assert answer.seq is not None and found.loc[answer.seq].key == target


def test_principal_and_lifetime_are_written(start_stack: StartStack) -> None:
    stack = start_stack()
    ask(stack.url, "/mine", Authorization="Bearer ann")
    ask(stack.url, "/mine")
    ask(stack.url, "/unmarked")
    found = ledger(stack)
    assert found.principal.tolist()[0] != "" and found.principal.tolist()[1:] == ["", ""]
    assert found.ttl_s.fillna(-1).tolist() == [0, 60, -1]
