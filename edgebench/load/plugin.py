"""Where the load meets Locust: its options, and its events in the only process, in a master and in a worker.

The only process or the master decides when the warm-up is over and when the test ends, and has the record.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import gevent
from locust import events, log
from locust.runners import MasterRunner, WorkerRunner

from edgebench.errors import EdgebenchError, UserError
from edgebench.load import options as load_options
from edgebench.load import stock
from edgebench.load.clocks import Machine
from edgebench.load.course import Course, Load
from edgebench.load.distributed import WorkerSide
from edgebench.load.live.feed import Live
from edgebench.load.locust_stats import TableSink, lean_log_request
from edgebench.load.master import MasterSide
from edgebench.load.options import LoadOptions
from edgebench.load.outcome import write_generator, write_measuring, write_parquet
from edgebench.load.record import Sink
from edgebench.load.request import Server
from edgebench.load.sample_files import FileSink
from edgebench.load.session import Session
from edgebench.load.tls import client_context

if TYPE_CHECKING:
    from edgebench.load.user import EdgeUser

_WAIT_LIMIT_S = 120.0
_logger = logging.getLogger(__name__)


class _State:
    """One test runs at a time in a process: its session (not in a master) and its course (not in a worker)."""

    session: Session | None = None
    course: Course | None = None
    master: MasterSide | None = None
    worker: WorkerSide | None = None
    recorded: LoadOptions | None = None
    """Of the test that was recorded: the first."""
    converting: Any = None
    """The greenlet that makes its samples.parquet."""
    live = Live()


def session_of(environment: Any) -> Session:
    """The session of the test that is running in this process."""
    if _State.session is None:  # Locust used as a library, without its command line
        _State.session = Session(LoadOptions())
        _State.session.begin()
    return _State.session


def _on_parser(parser: Any, **_: Any) -> None:
    load_options.register(parser)


def _on_init(environment: Any, runner: Any, **_: Any) -> None:
    if isinstance(runner, MasterRunner):
        _State.master = MasterSide(runner, Machine.here())
    elif isinstance(runner, WorkerRunner):
        _State.worker = WorkerSide(runner, lambda: _State.session, Machine.here())
    try:
        options = load_options.from_parsed(environment.parsed_options)
        _check_host(environment, options)
        if _State.worker is None:
            if options.record is not None:
                _check_directory(options.record)
            if options.wait_for is not None:
                _wait_for(options.wait_for)
    except UserError as error:
        print(f"locust: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    _State.live.init(environment)
    environment.stats.log_request = lean_log_request(environment.stats)
    stock.listen(environment, lambda: _State.session)


def _wait_for(file: Path) -> None:
    """Importing Locust takes a second: whoever starts servers meanwhile says by this file that they are up."""
    deadline_ns = monotonic_ns() + int(_WAIT_LIMIT_S * 1e9)
    while not file.exists():
        if monotonic_ns() > deadline_ns:
            raise UserError(f"--wait-for: {file} was not there within {_WAIT_LIMIT_S:g} s")
        gevent.sleep(0.01)


def _check_host(environment: Any, options: LoadOptions) -> None:
    if options.ca_file is not None:
        client_context(ca_file=options.ca_file)
    if options.origin_host is not None:
        Server.from_url(options.origin_host)
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
    parsed = environment.parsed_options
    while parsed.worker and _State.worker is None:
        gevent.sleep(0.001)  # a worker that joins a running test may be told to spawn before Locust has fired `init`
    try:
        options = load_options.from_parsed(parsed)
    except UserError as error:
        _logger.error("%s", error)
        gevent.spawn(environment.runner.stop)
        return
    if not _edge_users(environment):
        options = replace(options, rate_rps=0.0)  # somebody's own users keep their own time
    if options.record is not None and _State.recorded is not None and _State.worker is None:
        _logger.warning("--record: only the first test of a process is recorded")
        parsed.record = None  # the workers get it from here
        options = replace(options, record=None)
    if options.record is not None:
        _State.recorded = options
    _State.course = _State.session = None
    live = _State.live.start(environment)
    if _State.master is not None:
        # Sent to the workers with all other options when they are told to spawn.
        parsed.edgebench_workers = _State.master.begin(options.record, lambda: _fail(environment))
        _State.course = _course(options, _State.master.load(lambda: _finish(environment)))
        return
    for user_class in _edge_users(environment):
        user_class.share_out(options.private_share)
    try:
        _State.session = session = _session(options, environment, live)
    except OSError as error:
        _logger.error("--record: %s", error)
        gevent.spawn(_fail, environment)
        return
    if _State.worker is not None:
        _State.worker.tell_always(session)
    else:
        load = Load(
            totals=lambda: (session.answers, session.reused),
            end_at=session.end_at,
            drained=lambda: session.drained,
            finish=lambda: _finish(environment),
        )
        _State.course = _course(options, load)


def _course(options: LoadOptions, load: Load) -> Course:
    return Course(options, load, partial(write_measuring, options.record))


def _session(options: LoadOptions, environment: Any, live: Sequence[Sink]) -> Session:
    sinks: list[Sink] = [TableSink(environment.stats)] if _edge_users(environment) else []
    sinks += [*live, *_sinks(options, environment.runner)]

    def failed(error: OSError) -> None:
        _logger.error("--record: %s", error)
        gevent.spawn(_fail, environment)

    if _State.worker is None:
        return Session(options, sinks=sinks, failed=failed)
    workers = environment.parsed_options.edgebench_workers
    rank = _State.worker.rank(workers)
    if rank is None:
        _logger.warning("this worker came after the load was divided: in an open loop it offers none")
        return Session(options, environment.runner.worker_index, len(workers), sinks, failed, offers_load=False)
    return Session(options, rank, len(workers), sinks, failed)


def _sinks(options: LoadOptions, runner: Any) -> list[Sink]:
    """Where the samples of this process go. Nothing is recorded where there is none."""
    sinks: list[Sink] = []
    if options.record is not None:
        sinks.append(_State.worker.sink() if _State.worker is not None else FileSink(options.record, 0))
        if _State.worker is not None and options.record_parts is not None:
            sinks.append(FileSink(options.record_parts, runner.worker_index))
    return sinks


def _on_spawning_complete(**_: Any) -> None:
    session, course, master = _State.session, _State.course, _State.master
    if session is not None and not (_State.worker is not None and session.offers_load):
        session.begin()  # a worker that divides the load begins when the master says
    if course is not None and course.start_ns < 0:
        course.begin(master.start() if master is not None else session.start_ns if session is not None else -1)


def _on_test_stopping(**_: Any) -> None:
    if _State.master is not None:
        _State.master.collect()


def _on_test_stop(environment: Any, **_: Any) -> None:
    session = _State.session
    if session is not None:
        session.close()
        if _State.worker is not None:
            _State.worker.tell(session, closed=True)
    if _State.course is not None:
        _State.course.stop()
        _write_generator()
        if not environment.parsed_options.headless:
            _convert()  # a web UI stays; whoever waits for the result does not wait for its end


def _on_quitting(environment: Any, **_: Any) -> None:
    # A server's errors are a result, recorded as such, and no failure of the generator.
    runner = environment.runner
    clean = not runner.exceptions and not log.unhandled_greenlet_exception
    if _State.recorded is not None and clean and environment.process_exit_code is None:
        environment.process_exit_code = 0


def _on_quit(**_: Any) -> None:
    _write_generator()
    _convert()
    if _State.converting is not None:
        _State.converting.join()


def _convert() -> None:
    """Begin to make samples.parquet of the test that was recorded, once."""
    recorded = _State.recorded
    if recorded is None or recorded.record is None or not recorded.parquet or _State.worker is not None:
        return
    if _State.converting is None:
        _State.converting = gevent.spawn(write_parquet, recorded.record)


def _finish(environment: Any) -> None:
    if environment.parsed_options.headless:
        environment.runner.quit()
    else:
        environment.runner.stop()


def _fail(environment: Any) -> None:
    """The generator could not do its part."""
    environment.process_exit_code = EdgebenchError.exit_code
    _finish(environment)


def _write_generator() -> None:
    course, session, master = _State.course, _State.session, _State.master
    if course is None or course.options.record is None or course.start_ns < 0:
        return
    if master is not None:
        counters, workers = master.counters(), master.facts()
    elif session is not None:
        counters = [session.counters()]
        recorded = {"received": session.recorded, "recorded": session.recorded, "complete": session.closed}
        clock = {"clock_offset_ns": 0, "clock_uncertainty_ns": 0, "clock_points": [[0, 0]]}
        workers = [{"worker": 0, "host": Machine.here().host, **recorded, **clock}]
    else:
        return
    write_generator(course.options.record, course, counters, workers)


_hooks: Any = events  # not annotated in Locust
_hooks.init_command_line_parser.add_listener(_on_parser)
_hooks.init.add_listener(_on_init)
_hooks.test_start.add_listener(_on_test_start)
_hooks.spawning_complete.add_listener(_on_spawning_complete)
_hooks.test_stopping.add_listener(_on_test_stopping)
_hooks.test_stop.add_listener(_on_test_stop)
_hooks.quitting.add_listener(_on_quitting)
_hooks.quit.add_listener(_on_quit)
