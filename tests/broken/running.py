"""The proxy as a process of its own, and its account when it has ended."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from edgebench.runner.services import free_port
from tests.broken.faults import Account, Fault

ROOT = Path(__file__).parents[2]


@dataclass
class Running:
    """`with Running.start(…) as proxy`: it listens until the end of the block."""

    process: subprocess.Popen[str]
    port: int
    written: Path

    @classmethod
    def start(cls, fault: Fault, origin_port: int, folder: Path) -> Running:
        port = free_port()
        written = folder / f"{fault}-{port}.json"
        process = subprocess.Popen(
            [
                sys.executable, "-m", "tests.broken.proxy", "--port", str(port), "--origin", str(origin_port),
                "--fault", fault, "--account", str(written),
            ],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        return cls(process, port, written)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def end(self) -> Account:
        """Stop it, as often as asked; what it says it did."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            assert self.process.wait(10) == 0
        finally:
            self.process.kill()
            if self.process.stdout is not None:
                self.process.stdout.close()
        return Account.read(self.written)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()
