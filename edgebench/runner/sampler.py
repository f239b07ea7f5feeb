"""What each role's processes cost, once a second: rows of store.PROCESSES."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import psutil
import pyarrow as pa

from edgebench.store import PROCESSES


@dataclass(frozen=True, slots=True)
class _Totals:
    cpu_s: float
    rss_bytes: int
    threads: int
    context_switches: int


def _totals(processes: Iterable[psutil.Process]) -> _Totals:
    cpu_s, rss_bytes, threads, switches = 0.0, 0, 0, 0
    for process in processes:
        with contextlib.suppress(psutil.Error), process.oneshot():
            times, switched = process.cpu_times(), process.num_ctx_switches()
            cpu_s += times.user + times.system
            rss_bytes += process.memory_info().rss
            threads += process.num_threads()
            switches += switched.voluntary + switched.involuntary
    return _Totals(cpu_s, rss_bytes, threads, switches)


@dataclass
class Sampler:
    """Collects one row per role and call. The first call of a role only sets its zero."""

    rows: list[tuple[int, str, float, int, int, int, int | None]] = field(default_factory=list)
    _last: dict[str, _Totals] = field(default_factory=dict)

    def sample(
        self, at_ns: int, roles: Mapping[str, Iterable[psutil.Process]], stored_bytes: int | None = None
    ) -> None:
        for role, processes in roles.items():
            now = _totals(processes)
            before = self._last.get(role)
            self._last[role] = now
            if before is not None:
                spent = (max(now.cpu_s - before.cpu_s, 0.0), now.rss_bytes, now.threads)
                stored = stored_bytes if role == "tier" else None
                switches = max(now.context_switches - before.context_switches, 0)
                self.rows.append((at_ns, role, *spent, switches, stored))

    def table(self) -> pa.Table:
        columns = list(zip(*self.rows, strict=True)) or [()] * len(PROCESSES)
        arrays = [pa.array(column) for column in columns]
        return pa.table(arrays, names=PROCESSES.names).cast(PROCESSES)
