"""Processes that do not come up, die, hang, or lose their harness."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from edgebench.errors import UserError
from edgebench.model import Placement
from edgebench.runner.guardian import Guardian
from edgebench.runner.placement import available_cores, on_cores, place
from edgebench.runner.services import Hung, Service, ServiceFailed, await_ready, demand_port, free_port, is_alive
from edgebench.runner.stack import Stack

StartStack = Callable[..., Stack]


def service(tmp_path: Path, guardian: Guardian, code: str) -> Service:
    made = Service("thing", "tier", [sys.executable, "-c", code], {}, tmp_path / "thing.log", (), guardian)
    made.start()
    return made


def running(pid: int) -> bool:
    try:
        return is_alive(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def await_gone(pids: list[int], limit_s: float = 10) -> None:
    deadline = time.monotonic() + limit_s
    while alive := [pid for pid in pids if running(pid)]:
        assert time.monotonic() < deadline, f"still running: {alive}"
        time.sleep(0.02)


def test_a_process_that_ends_before_it_is_ready_is_named_with_its_last_words(tmp_path: Path) -> None:
    with Guardian() as guardian:
        broken = service(tmp_path, guardian, "import sys; sys.exit('no such directive')")
        with pytest.raises(
            ServiceFailed, match=r"thing \(pid \d+\) ended by itself: exit code 1 \(no such directive\)"
        ):
            await_ready(broken, free_port(), "/", 10)
        assert broken.stop() == "exit code 1, by itself"


def test_a_process_nobody_had_time_to_announce_goes_with_a_run_that_is_stopped() -> None:
    started = []
    with pytest.raises(KeyboardInterrupt), Guardian() as guardian:
        env = {**os.environ, **guardian.environment()}
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=env))
        raise KeyboardInterrupt
    assert started[0].wait(10) == -signal.SIGKILL


def test_a_process_that_never_answers_is_hung_and_still_stopped(tmp_path: Path) -> None:
    with Guardian() as guardian:
        deaf = service(tmp_path, guardian, "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)")
        with pytest.raises(Hung, match="did not answer on port"):
            await_ready(deaf, free_port(), "/", 0.3)
        assert deaf.stop(grace_s=0.3) == "killed after 0.3 s"
        await_gone([deaf.pid])


def test_stopping_takes_the_children_too(tmp_path: Path) -> None:
    code = "import subprocess, time; subprocess.Popen(['sleep', '60']); print('x', flush=True); time.sleep(60)"
    with Guardian() as guardian:
        parent = service(tmp_path, guardian, code)
        while not psutil.Process(parent.pid).children():
            time.sleep(0.01)
        child = psutil.Process(parent.pid).children()[0].pid
        parent.stop()
        await_gone([parent.pid, child])


def test_a_port_in_use_is_named_with_its_holder() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(UserError, match=rf"port {port} is in use by .* \(pid {os.getpid()}\)"):
            demand_port(port)


def test_a_lost_process_is_noticed(start_stack: StartStack) -> None:
    stack = start_stack("nginx")
    stack.check()
    nginx = next(each for each in stack.services if each.name == "nginx")
    worker = psutil.Process(nginx.pid).children()[0]
    worker.kill()
    await_gone([worker.pid])
    with pytest.raises(ServiceFailed, match="a process of nginx"):
        stack.check()


def test_the_hung_one_is_named(start_stack: StartStack) -> None:
    stack = start_stack("nginx")
    assert stack.name_the_hung() == ""
    for process in stack.roles()["origin"]:
        process.suspend()
    assert "origin" in stack.name_the_hung()
    for process in stack.roles()["origin"]:
        process.resume()
    nginx = next(each for each in stack.services if each.name == "nginx")
    for process in nginx.members.values():
        process.suspend()
    assert "nginx" in stack.name_the_hung()
    for process in nginx.members.values():
        process.resume()


HARNESS = """
import sys, time
from pathlib import Path
from edgebench.model import *
from edgebench.runner.guardian import Guardian
from edgebench.runner.stack import Stack
with Guardian() as guardian:
    cell = Cell(TierSpec("nginx", "nginx"), Freshness(), Load())
    with Stack(cell, OriginSpec(app="tests.apps:app", workers=2), Path(sys.argv[1]), (), guardian) as stack:
        print(*[pid for each in stack.services for pid in each.members], flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_no_child_outlives_a_killed_harness(tmp_path: Path, number: signal.Signals) -> None:
    harness = subprocess.Popen([sys.executable, "-c", HARNESS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert harness.stdout is not None
    pids = [int(word) for word in harness.stdout.readline().split()]
    harness.send_signal(number)
    harness.wait(5)
    harness.stdout.close()
    assert len(pids) == 6  # gunicorn and two workers; nginx, its worker and its cache manager
    await_gone(pids)


def test_what_was_not_stopped_ends_with_the_guardian(tmp_path: Path) -> None:
    with Guardian() as guardian:
        forgotten = service(tmp_path, guardian, "import time; time.sleep(60)")
    assert forgotten.popen is not None and forgotten.popen.wait(5) == -signal.SIGKILL


def test_a_child_the_guardian_was_not_told_of_is_found_by_its_mark(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys; from edgebench.runner.guardian import Guardian; g = Guardian();"
        "p = subprocess.Popen(['sleep', '60'], env={**os.environ, **g.environment()}, start_new_session=True);"
        "print(p.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)
    await_gone([int(done.stdout)])


def test_the_generator_gets_a_core_of_its_own() -> None:
    assert place((0, 1)) == Placement(generator=(1,), system=(0,))
    assert place((2, 3, 5)) == Placement(generator=(5,), system=(2, 3))
    assert not place((0, 1)).shared
    assert place((4,)).shared
    assert place(()).shared


@pytest.mark.skipif(len(available_cores()) < 2, reason="one core, or no pinning here")
def test_pinning_reaches_children_and_ends_with_the_block() -> None:
    before = available_cores()
    code = [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]
    with on_cores(before[:1]):
        done = subprocess.run(code, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"[{before[0]}]"
    assert available_cores() == before
