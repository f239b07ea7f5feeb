"""Raw records to the samples table of a trial. Not imported while load is offered: pyarrow takes its time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from edgebench.errors import EdgebenchError
from edgebench.load.cache_status import classify
from edgebench.load.record import FIELDS, RECORD, RETRIED, REUSED, UNKNOWN
from edgebench.model import Claim, Phase
from edgebench.store import SAMPLES

_DTYPE = np.dtype([(name, kind) for name, _, kind in FIELDS])
assert _DTYPE.itemsize == RECORD.size
_PHASES = [str(Phase.WARM_UP), str(Phase.MEASURE)]

Strings = dict[str, dict[int, Any]]


def read_generator(directory: Path) -> dict[str, Any] | None:
    """generator.json; None where the generator did not live to write it."""
    try:
        value = json.loads((directory / "generator.json").read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise EdgebenchError(f"{directory / 'generator.json'}: not JSON ({error})") from None
    return value if isinstance(value, dict) else None


def read(directory: Path, start_monotonic_ns: int) -> pa.Table:
    """The samples of all workers in `directory` as store.SAMPLES, ordered by sent_ns; times since `start_monotonic_ns`.

    A record that was cut off is ignored. Without generator.json nobody knows when the measurement began, and every
    sample counts as warm-up. A sample's phase is that of its scheduled time; what was due after the end is not measured
    either.
    """
    generator = read_generator(directory)
    begin, end = (generator["measure_start_ns"], generator["measure_end_ns"]) if generator else (-1, -1)
    files = sorted(directory.glob("samples-*.bin"))
    parts = [_read_worker(path, int(path.stem.partition("-")[2]), start_monotonic_ns, begin, end) for path in files]
    if not parts:
        return SAMPLES.empty_table()
    return pa.concat_tables(parts).unify_dictionaries().sort_by("sent_ns").cast(SAMPLES)


def retried(directory: Path) -> int:
    """How many samples needed a second connection because the server had closed the first while it was idle."""
    return sum(int(np.count_nonzero(_records(path)["flags"] & RETRIED)) for path in directory.glob("samples-*.bin"))


def _records(path: Path) -> NDArray[np.void]:
    whole = path.stat().st_size // RECORD.size
    return np.fromfile(path, dtype=_DTYPE, count=whole)


def _read_strings(path: Path) -> Strings:
    tables: Strings = {"endpoint": {}, "key": {}, "claim": {}, "error": {}}
    if path.exists():
        for line in path.read_bytes().split(b"\n"):
            try:
                kind, number, value = json.loads(line)
            except ValueError:
                continue  # cut off: no record that uses it was written
            tables[kind][number] = value
    return tables


def _read_worker(path: Path, worker: int, start_ns: int, begin: int, end: int) -> pa.Table:
    rows = _records(path)
    strings = _read_strings(path.with_name(f"strings-{worker}.jsonl"))
    scheduled = rows["scheduled_ns"]
    measured = (scheduled >= begin) & (scheduled < end)
    first_byte = rows["first_byte_ns"]
    endpoints, claims, errors = strings["endpoint"], strings["claim"], strings["error"]
    columns = {
        "scheduled_ns": scheduled - start_ns,
        "sent_ns": rows["sent_ns"] - start_ns,
        "first_byte_ns": np.where(first_byte < 0, -1, first_byte - start_ns),
        "done_ns": rows["done_ns"] - start_ns,
        "send_lag_ns": rows["send_lag_ns"].astype(np.int64),
        "method": _text(rows["endpoint"], endpoints, lambda pair: str(pair[0])),
        "endpoint": _text(rows["endpoint"], endpoints, lambda pair: str(pair[1])),
        "key": _text(rows["key"], strings["key"], str),
        "status": rows["status"].astype(np.int16),
        "bytes": rows["bytes"],
        "claim": _text(rows["claim"], claims, _claim, none=Claim.NONE, unknown=Claim.UNKNOWN),
        "age_s": pa.array(rows["age_s"], mask=rows["age_s"] < 0),
        "origin_seq": pa.array(rows["origin_seq"], mask=rows["origin_seq"] < 0),
        "user": rows["user"],
        "worker": np.full(len(rows), worker, dtype=np.int16),
        "port": rows["port"].astype(np.int32),
        "reused_connection": (rows["flags"] & REUSED).astype(bool),
        "phase": pa.DictionaryArray.from_arrays(measured.astype(np.int32), pa.array(_PHASES)),
        "error": _text(rows["error"], errors, str, unknown="unknown"),
    }
    return pa.table(columns)


def _claim(header: str) -> str:
    name, _, value = header.partition(":")
    return classify(name, value)


def _text(
    numbers: NDArray[Any],
    values: Mapping[int, Any],
    text_of: Callable[[Any], str],
    none: str | None = None,
    unknown: str = "(unknown)",
) -> pa.DictionaryArray:
    """Numbers of strings to a column of text: each distinct number is looked up once."""
    distinct, positions = np.unique(numbers, return_inverse=True)
    texts = [
        none if number == 0 else unknown if number == UNKNOWN or number not in values else text_of(values[number])
        for number in distinct.tolist()
    ]
    known = sorted({text for text in texts if text is not None})
    place = {text: at for at, text in enumerate(known)}
    codes = np.array([place[text] if text is not None else -1 for text in texts], dtype=np.int32)
    codes = codes[positions] if len(distinct) else np.zeros(0, dtype=np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(known, type=pa.string()))
