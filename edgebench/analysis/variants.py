"""Answers in another variant than was asked for: encoding, language, or another key altogether."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, unquote

import numpy as np
import pandas as pd

from edgebench.analysis.evidence import Check
from edgebench.analysis.joined import Joined
from edgebench.analysis.negotiation import takes_coding, takes_language
from edgebench.analysis.tables import Bools, Ints, shared_codes
from edgebench.analysis.witnesses import NOT_MODIFIED

ENCODING, LANGUAGE, KEY = "encoding", "language", "key"
NO_BODY = (204, NOT_MODIFIED)


def wrong_variants(joined: Joined) -> Check:
    """Good samples whose answer differs from what they asked for. Counted once each; kinds: encoding, language, key.

    What the origin itself has chosen for the same key and the same Accept-… headers is never wrong: an app may fall
    back to a language nobody asked for. Where the app does not say that it varies, sending its answer to all is the
    app's doing, not the cache's.
    """
    good = joined.has & ~joined.error
    encoding, language, key = _encoding(joined, good), _language(joined, good), _key(joined, good)
    accepts, encodings = joined.text("accepts"), joined.text("encoding")
    languages, keys = joined.text("language"), joined.row_text("key")

    def say(at: int) -> str:
        asked = _lines(accepts.iloc[at])
        parts = []
        if key[at]:
            parts.append(f"got {keys.iloc[at]}")
        if encoding[at]:
            parts.append(f"got {encodings.iloc[at] or 'a plain body'}, accepts encoding {asked[0] or '(none named)'}")
        if language[at]:
            parts.append(f"got language {languages.iloc[at]}, accepts {asked[1]}")
        return "; ".join(parts)

    kinds = {ENCODING: int(encoding.sum()), LANGUAGE: int(language.sum()), KEY: int(key.sum())}
    return joined.check(encoding | language | key, good, say, **kinds)


def _encoding(joined: Joined, good: Bools) -> Bools:
    if not joined.says("encoding") or not joined.samples["accepts"].notna().any():
        return np.zeros(len(good), dtype=bool)
    wrong = good & joined.samples["accepts"].notna().to_numpy(dtype=bool) & _has_body(joined)
    came, made = shared_codes(joined.text("encoding"), joined.body_text("encoding"))
    wrong &= _varies(joined, "accept-encoding") | (came != made)
    wrong &= ~_pairwise(joined.text("accepts"), joined.text("encoding"), lambda a, b: takes_coding(_lines(a)[0], b))
    return wrong & ~_origins_choice(joined, "encoding")


def _language(joined: Joined, good: Bools) -> Bools:
    if not joined.says("language") or not joined.samples["accepts"].notna().any():
        return np.zeros(len(good), dtype=bool)
    wrong = good & joined.samples["accepts"].notna().to_numpy(dtype=bool) & _varies(joined, "accept-language")
    wrong &= ~_pairwise(joined.text("accepts"), joined.text("language"), lambda a, b: takes_language(_lines(a)[1], b))
    return wrong & ~_origins_choice(joined, "language")


def _key(joined: Joined, good: Bools) -> Bools:
    """Samples that carry the response to another key or method. Nothing where the tier rewrites what it asks for."""
    other = good & (joined.codes != joined.rows.codes[joined.row])
    at = np.flatnonzero(other)
    if len(at):
        asked, answered = joined.text("key").iloc[at], joined.row_text("key").iloc[at]
        same_text = asked.to_numpy() == answered.to_numpy()  # then it is the method that differs
        other[at] = same_text | ~_pairwise(asked, answered, _same_key)
    caused = good & (joined.proof.caused == joined.proof.answer)
    rewrites = caused.any() and (other & caused).sum() > caused.sum() / 2
    return np.zeros(len(good), dtype=bool) if rewrites else other


def _same_key(one: str, other: str) -> bool:
    """Equal but for percent-encoding and the order of the query: caches may set those right."""
    return _plain(one) == _plain(other)


def _plain(key: str) -> tuple[str, list[tuple[str, str]]]:
    path, _, query = key.partition("?")
    return unquote(path), sorted(parse_qsl(query, keep_blank_values=True))


def _lines(accepts: str) -> tuple[str, str]:
    """Accept-Encoding and Accept-Language of a sample; empty where it sent none."""
    sent = {
        name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in accepts.split("\n"))
    }
    return sent.get("accept-encoding", ""), sent.get("accept-language", "")


def _has_body(joined: Joined) -> Bools:
    status = joined.samples["status"].to_numpy(dtype=np.int64)
    body: Bools = ~np.isin(status, NO_BODY) & (joined.samples["method"] != "HEAD").to_numpy(dtype=bool)
    return body


def _varies(joined: Joined, field: str) -> Bools:
    """Per sample, whether the app says that this response depends on this header of the request."""
    names = pd.unique(joined.body_text("vary"))
    naming = [name for name in names if {field, "*"} & {part.strip().lower() for part in name.split(",")}]
    return joined.body_text("vary").isin(naming).to_numpy(dtype=bool)


def _pairwise(left: pd.Series, right: pd.Series, agree: Callable[[str, str], bool]) -> Bools:
    """agree(left, right) of every sample, worked out once for each pair of texts."""
    pairs = pd.DataFrame({"left": left.to_numpy(), "right": right.to_numpy()})
    number = pairs.groupby(["left", "right"], sort=False).ngroup().to_numpy()
    unique = pairs.drop_duplicates()
    answers = np.array([agree(one, other) for one, other in unique.itertuples(index=False)], dtype=bool)
    return answers[number] if len(number) else np.zeros(0, dtype=bool)


def _origins_choice(joined: Joined, column: str) -> Bools:
    """Whether the origin itself has answered the same key and Accept-… headers with this, when it was asked."""
    accepts, chosen = (shared_codes(joined.text(name), joined.text(name))[0] for name in ("accepts", column))
    combined: Ints = (joined.codes * (accepts.max(initial=0) + 1) + accepts) * (chosen.max(initial=0) + 1) + chosen
    return np.isin(combined, combined[joined.own & ~joined.error])
