"""What a client takes: Accept-Encoding and Accept-Language against what came (RFC 9110, 12.5). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

IDENTITY = "identity"
_ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}


def takes_coding(accept_encoding: str, content_encoding: str) -> bool:
    """Whether a client that sent this Accept-Encoding takes this Content-Encoding; empty: none.

    Each of several codings must be taken. A client that names no coding takes plain bodies only.
    """
    wanted = _weights(accept_encoding)
    codings = [_coding(part) for part in content_encoding.split(",") if part.strip()] or [IDENTITY]
    return all(_weight(wanted, coding) > 0 for coding in codings)


def _weight(wanted: Mapping[str, float], coding: str) -> float:
    if coding in wanted:
        return wanted[coding]
    return wanted.get("*", 1.0 if coding == IDENTITY else 0.0)


def takes_language(accept_language: str, content_language: str) -> bool:
    """Whether a client that sent this Accept-Language takes one of the languages of the answer.

    A range matches its narrower tags and its wider ones (en takes en-GB, en-GB takes en): origins answer both ways. A
    client that names no language takes all; an answer that names none is taken.
    """
    wanted = _weights(accept_language)
    tags = [part.strip().lower() for part in content_language.split(",") if part.strip()]
    return not wanted or not tags or any(_takes_tag(wanted, tag) for tag in tags)


def _takes_tag(wanted: Mapping[str, float], tag: str) -> bool:
    near = {language: weight for language, weight in wanted.items() if language != "*" and _same(language, tag)}
    if not near:
        return wanted.get("*", 0.0) > 0
    return near[max(near, key=lambda language: (language == tag, len(language)))] > 0


def _same(one: str, other: str) -> bool:
    return f"{one}-".startswith(f"{other}-") or f"{other}-".startswith(f"{one}-")


def _coding(text: str) -> str:
    lower = text.strip().lower()
    return _ALIASES.get(lower, lower)


@lru_cache(maxsize=4096)
def _weights(header: str) -> Mapping[str, float]:
    """Weight per token of an Accept-… header, in lower case; a weight that is not a number counts as 1."""
    found: dict[str, float] = {}
    for part in header.split(","):
        token, *parameters = part.split(";")
        if token.strip():
            found[_coding(token)] = next((q for text in parameters if (q := _quality(text)) is not None), 1.0)
    return found


def _quality(parameter: str) -> float | None:
    key, _, value = parameter.partition("=")
    if key.strip().lower() != "q":
        return None
    try:
        return float(value)
    except ValueError:
        return 1.0
