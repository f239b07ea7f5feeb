"""Making files on first start, once, however many workers start together."""

import fcntl
from collections.abc import Callable
from pathlib import Path


def build_once(path: Path, make: Callable[[Path], None]) -> None:
    """Let `make` write `path` unless it is there; whoever sees `path` sees it whole.

    The first process makes it under a temporary name while the others wait. The lock ends with
    its process, so a crash leaves nothing that would have to be cleared by hand.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        unfinished = path.with_name(f".{path.name}.new")
        unfinished.unlink(missing_ok=True)
        make(unfinished)
        unfinished.replace(path)
