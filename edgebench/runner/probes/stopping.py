"""Whether a cache that is asked to go finishes what it has begun."""

from __future__ import annotations

import http.client
import time
from concurrent.futures import ThreadPoolExecutor

from edgebench.runner.probes.app import Page
from edgebench.runner.probes.result import Result
from edgebench.runner.probes.subject import Subject

_UNDER_WAY_S = 0.3
_SLOW_MS = 1000


def graceful_stop(subject: Subject) -> Result:
    page = Page("stop", "max-age=60", delay_ms=_SLOW_MS)
    stack = subject.stack
    tier = [service for service in stack.services if service.role == "tier"] or stack.services
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(subject.ask, page)
        time.sleep(_UNDER_WAY_S)
        begun = time.monotonic()
        for service in tier:
            stack.exit_states[service.name] = service.stop()
        took_s = time.monotonic() - begun
        try:
            answer = asked.result()
            finished, got = answer.status == 200 and answer.body == page.body(), str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            finished, got = False, f"no answer ({type(error).__name__})"
    evidence = (
        f"asked to stop {_UNDER_WAY_S:g} s into a request of {_SLOW_MS / 1000:g} s: it ended after {took_s:.2f} s "
        f"({', '.join(stack.exit_states[service.name] for service in tier)}), the client got {got}"
    )
    return Result(f"{'yes' if finished else 'no'}, {took_s:.1f} s", evidence, {"yes": finished, "stop_s": took_s})
