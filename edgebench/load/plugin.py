"""Where the load meets Locust: its options, its events, its master and workers.

A worker tells its master every quarter second how many answers it has and how many were reused; the master decides when
the warm-up is over and when the test ends. Each worker records its own samples; generator.json is the master's.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import gevent
from locust import events, log
from locust.runners import MasterRunner, WorkerRunner

from edgebench.errors import UserError
from edgebench.load import options as load_options
from edgebench.load import stock
from edgebench.load.course import Course, Load
from edgebench.load.options import LoadOptions
from edgebench.load.request import Server
from edgebench.load.session import Session

if TYPE_CHECKING:
    from edgebench.load.user import EdgeUser

_TELL_EVERY_S = 0.25
_WAIT_LIMIT_S = 120.0
_COUNTS, _END = "edgebench_counts", "edgebench_end"
_logger = logging.getLogger(__name__)


class _State:
    """One test runs at a time in a process: its session (not in a master) and its course (not in a worker)."""

    session: Session | None = None
    course: Course | None = None
    recorded = False
    workers: dict[str, dict[str, Any]] = {}  # noqa: RUF012


def session_of(environment: Any) -> Session:
    """The session of the test that is running in this process."""
    if _State.session is None:  # Locust used as a library, without its command line
        _State.session = Session(LoadOptions())
        _State.session.begin()
    return _State.session


def _on_parser(parser: Any, **_: Any) -> None:
    load_options.register(parser)


def _on_init(environment: Any, runner: Any, **_: Any) -> None:
    try:
        options = load_options.from_parsed(environment.parsed_options)
        _check_host(environment)
        if options.record is not None and not isinstance(runner, WorkerRunner):
            _check_directory(options.record)
        if options.wait_for is not None and not isinstance(runner, WorkerRunner):
            _wait_for(options.wait_for)
    except UserError as error:
        print(f"locust: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if isinstance(runner, MasterRunner):
        runner.register_message(_COUNTS, _on_counts)
    elif isinstance(runner, WorkerRunner):
        runner.register_message(_END, _on_end)
    stock.listen(environment, lambda: _State.session)


def _wait_for(file: Path) -> None:
    """Importing Locust takes a second: whoever starts servers meanwhile says by this file that they are up."""
    deadline_ns = monotonic_ns() + int(_WAIT_LIMIT_S * 1e9)
    while not file.exists():
        if monotonic_ns() > deadline_ns:
            raise UserError(f"--wait-for: {file} was not there within {_WAIT_LIMIT_S:g} s")
        gevent.sleep(0.01)


def _check_host(environment: Any) -> None:
    if not environment.parsed_options.headless:
        return  # the web UI asks for it
    for user_class in _edge_users(environment):
        Server.from_url(environment.host or user_class.host)


def _edge_users(environment: Any) -> list[type[EdgeUser]]:
    from edgebench.load.user import EdgeUser

    return [user_class for user_class in environment.user_classes if issubclass(user_class, EdgeUser)]


def _check_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--record: {directory}: {error.strerror}") from None
    if any(directory.glob("samples-*.bin")):
        raise UserError(f"--record: {directory} holds samples already; give a new directory")


def _on_test_start(environment: Any, **_: Any) -> None:
    runner, parsed = environment.runner, environment.parsed_options
    try:
        options = load_options.from_parsed(parsed)
    except UserError as error:
        _logger.error("%s", error)
        gevent.spawn(runner.stop)
        return
    if not _edge_users(environment):
        options = replace(options, rate_rps=0.0)  # somebody's own users keep their own time
    if isinstance(runner, MasterRunner):
        _State.workers.clear()
        # Sent to the workers with all other options when they are told to spawn.
        parsed.edgebench_workers = runner.worker_count
        _State.course = Course(options, _master_load(environment))
        return
    for user_class in _edge_users(environment):
        user_class.share_out(options.private_share)
    workers = getattr(parsed, "edgebench_workers", 1)
    _State.session = session = Session(options, max(0, runner.worker_index), workers, record=not _State.recorded)
    if options.record and _State.recorded:
        _logger.warning("--record: only the first test of a process is recorded")
    _State.recorded = True
    if isinstance(runner, WorkerRunner):
        gevent.spawn(_tell_master, runner, session)
    else:
        load = Load(
            totals=lambda: (session.answers, session.reused),
            end_at=session.end_at,
            drained=lambda: session.drained,
            finish=lambda: _finish(environment),
        )
        _State.course = Course(options, load)


def _on_spawning_complete(**_: Any) -> None:
    session, course = _State.session, _State.course
    if session is not None:
        session.begin()
    if course is not None:
        course.begin(session.start_ns if session is not None else monotonic_ns())


def _on_test_stop(environment: Any, **_: Any) -> None:
    session, runner = _State.session, environment.runner
    if session is not None:
        session.close()
        if isinstance(runner, WorkerRunner):
            runner.send_message(_COUNTS, _counts(session))
    if _State.course is not None:
        _State.course.stop()
        _write_generator()


def _on_quitting(environment: Any, **_: Any) -> None:
    # A server's errors are a result, recorded as such, and no failure of the generator.
    runner, recording = environment.runner, environment.parsed_options.record
    clean = not runner.exceptions and not log.unhandled_greenlet_exception
    if recording and clean and environment.process_exit_code is None:
        environment.process_exit_code = 0
    environment.events.quit.add_listener(lambda **_: _write_generator())


def _finish(environment: Any) -> None:
    if environment.parsed_options.headless:
        environment.runner.quit()
    else:
        environment.runner.stop()


# --- master and workers ------------------------------------------------------------------------------------------


def _counts(session: Session) -> dict[str, Any]:
    return {"reused": session.reused, "drained": session.drained, "counters": session.counters()}


def _tell_master(runner: WorkerRunner, session: Session) -> None:
    while _State.session is session and runner.state not in ("stopped", "cleanup"):
        runner.send_message(_COUNTS, _counts(session))
        gevent.sleep(_TELL_EVERY_S)


def _on_counts(environment: Any, msg: Any, **_: Any) -> None:
    _State.workers[msg.node_id] = msg.data


def _on_end(environment: Any, msg: Any, **_: Any) -> None:
    if _State.session is not None:
        _State.session.end_at(msg.data["end_ns"])


def _master_load(environment: Any) -> Load:
    reports = _State.workers

    def totals() -> tuple[int, int]:
        return sum(r["counters"]["answers"] for r in reports.values()), sum(r["reused"] for r in reports.values())

    return Load(
        totals=totals,
        end_at=lambda end_ns: environment.runner.send_message(_END, {"end_ns": end_ns}),
        drained=lambda: all(report["drained"] for report in reports.values()),
        finish=lambda: _finish(environment),
    )


# --- generator.json ----------------------------------------------------------------------------------------------


def _write_generator() -> None:
    course, session = _State.course, _State.session
    if course is None or course.options.record is None or course.start_ns < 0:
        return
    options = course.options
    reports = [session.counters()] if session is not None else [r["counters"] for r in _State.workers.values()]
    generator = {
        "start_ns": course.start_ns,
        "measure_start_ns": course.measure_start_ns,
        "measure_end_ns": course.measure_end_ns,
        "warm_up_end": course.warm_up_end,
        "complete": course.complete,
        "model": str(options.model),
        "rate_rps": options.rate_rps,
        "arrivals": str(options.arrivals),
        "keys": options.keys,
        "zipf_s": options.zipf_s,
        "seed": options.seed,
        "spin": options.spin,
        "workers": len(reports),
        **{name: sum(report[name] for report in reports) for name in (reports[0] if reports else {})},
    }
    path = course.options.record / "generator.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(generator, indent=2) + "\n")
    part.replace(path)


_hooks: Any = events  # not annotated in Locust
_hooks.init_command_line_parser.add_listener(_on_parser)
_hooks.init.add_listener(_on_init)
_hooks.test_start.add_listener(_on_test_start)
_hooks.spawning_complete.add_listener(_on_spawning_complete)
_hooks.test_stop.add_listener(_on_test_stop)
_hooks.quitting.add_listener(_on_quitting)
