"""What gunicorn loads: `edgebench.origin.serve:load()`, the app named in the environment, wrapped.

EDGEBENCH_APP          module:variable or module:factory(), as gunicorn writes it
EDGEBENCH_LEDGER       folder for the ledger's files; not set: the app is served bare
EDGEBENCH_REWRITE_TTL  seconds, or not set
EDGEBENCH_FAULTS       file that will say when to fail; not set: it never does
EDGEBENCH_THREADS      with it: how many requests the app works on at once
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.util import import_app

from edgebench.origin.ledger import Ledger
from edgebench.origin.wrapper import App, Witness

if TYPE_CHECKING:
    from edgebench.origin.faults import Faulty


def load() -> Any:
    app = import_app(os.environ["EDGEBENCH_APP"])
    directory = os.environ.get("EDGEBENCH_LEDGER")
    if not directory:
        return app
    ledger = Ledger(Path(directory))
    rewrite = os.environ.get("EDGEBENCH_REWRITE_TTL")
    rewrite_ttl_s = int(rewrite) if rewrite else None
    faults = os.environ.get("EDGEBENCH_FAULTS")
    if not faults:
        return Witness(app, ledger, rewrite_ttl_s)
    return _failing(app, ledger, rewrite_ttl_s, Path(faults))


def _failing(app: App, ledger: Ledger, rewrite_ttl_s: int | None, faults: Path) -> Faulty:
    from edgebench.origin.faults import Faulty
    from edgebench.origin.late import listen
    from edgebench.origin.schedule import Schedule

    schedule = Schedule(faults)
    schedule.follow()
    failing = Faulty(app, ledger, rewrite_ttl_s, schedule, int(os.environ["EDGEBENCH_THREADS"]))
    listen()
    return failing
