"""Who is asked for, told alike by both witnesses: a hash, so that no credential is ever written down."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

_SESSION = re.compile(r"(?:^|;\s*)(session(?:id)?=[^;]*)")


@lru_cache(maxsize=4096)
def principal_of(authorization: str, cookie: str) -> str:
    """A hash of the Authorization header or, without one, of the session cookie; empty for anonymous.

    Both are the headers' values without the blanks around them, as Latin-1; empty where there are none.
    """
    credential = authorization
    if not credential:
        session = _SESSION.search(cookie)
        if session is None:
            return ""
        credential = session[1]
    return hashlib.sha256(credential.encode("utf-8", "surrogateescape")).hexdigest()[:12]
