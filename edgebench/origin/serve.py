"""What gunicorn loads: `edgebench.origin.serve:load()`, the app named in the environment, wrapped.

EDGEBENCH_APP          module:variable or module:factory(), as gunicorn writes it
EDGEBENCH_LEDGER       folder for the ledger's files; not set: the app is served bare
EDGEBENCH_REWRITE_TTL  seconds, or not set
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gunicorn.util import import_app

from edgebench.origin.ledger import Ledger
from edgebench.origin.wrapper import Witness


def load() -> Any:
    app = import_app(os.environ["EDGEBENCH_APP"])
    directory = os.environ.get("EDGEBENCH_LEDGER")
    if not directory:
        return app
    rewrite = os.environ.get("EDGEBENCH_REWRITE_TTL")
    return Witness(app, Ledger(Path(directory)), int(rewrite) if rewrite else None)
