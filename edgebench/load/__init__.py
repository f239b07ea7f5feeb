"""The load half: a Locust user that can see a cache, arrivals that do not wait for answers, a record of every request.

In a locustfile, `from edgebench.load import EdgeUser`; or, for an HttpUser of your own, `import edgebench.load` alone:
with `--record DIR` its requests are recorded as well.

Importing Locust patches the whole process for gevent. So this package touches it only inside a process that runs
Locust, or when EdgeUser is asked for; reading samples or classifying cache headers leaves the process as it is.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgebench.load.user import EdgeUser

__all__ = ["EdgeUser"]


def __getattr__(name: str) -> Any:
    if name == "EdgeUser":
        from edgebench.load.user import EdgeUser

        return EdgeUser
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if "locust" in sys.modules:
    import edgebench.load.plugin  # noqa: F401
