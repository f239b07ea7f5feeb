"""Each real cache that can compress: what came is what the app sent, in the coding asked for, stored once."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import brotli
import pytest
import zstandard

from edgebench.model import TierSpec
from edgebench.origin import rows
from edgebench.runner.stack import Stack
from edgebench.tiers import adapters, unable
from tests.client import Answer, ask

StartStack = Callable[..., Stack]
DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
    "": lambda body: body,
}
ABLE = [name for name, adapter in adapters().items() if adapter.compresses]
TEXT, IMAGE = "/text?kind=text/css", "/text?kind=image/webp"


def plain(answer: Answer) -> bytes:
    return DECODERS[answer.headers.get("content-encoding", "")](answer.body)


@pytest.mark.parametrize("kind", ABLE)
def test_the_edge_compresses_what_the_app_sends_plain(start_stack: StartStack, kind: str) -> None:
    adapter = adapters()[kind]
    if adapter.find() is None:
        pytest.skip(adapter.how_to_get)
    codings = tuple(sorted(adapter.compresses))
    stack = start_stack(kind, tier={"compress": codings}, app="tests.tiers.texts:app")
    origin = f"http://127.0.0.1:{stack.origin_port}"
    wanted, picture = ask(origin, TEXT).body, ask(origin, IMAGE).body
    for coding in codings:
        answers = [ask(stack.url, TEXT, Accept_Encoding=coding) for _ in range(3)]
        assert {answer.headers.get("content-encoding") for answer in answers} == {coding}
        assert {plain(answer) for answer in answers} == {wanted}
        assert len(answers[0].body) < len(wanted) / 3
        assert "accept-encoding" in answers[0].headers["vary"].lower()
        if adapter.stores:
            assert len({answer.seq for answer in answers}) == 1
        image = ask(stack.url, IMAGE, Accept_Encoding=coding)
        assert not image.headers.get("content-encoding") and image.body == picture
    other = ask(stack.url, TEXT, Accept_Encoding="identity")
    assert plain(other) == wanted and not other.headers.get("content-encoding")
    asked = rows.read(stack.ledger, 0).to_pandas()
    assert set(asked[asked.key.str.startswith("/text")].encoding.dropna()) <= {""}


def test_what_a_cache_cannot_do_is_said_with_who_can() -> None:
    assert unable(TierSpec("n", "nginx", compress=("gzip",), bucket=True)) == ""
    assert unable(TierSpec("n", "nginx", compress=("gzip", "br"))) == (
        "nginx cannot compress by br itself: it can apply gzip; who can: apache, ats"
    )
    assert unable(TierSpec("s", "squid", compress=("zstd",))) == (
        "squid cannot compress by zstd itself: it cannot compress; who can: caddy"
    )
    assert unable(TierSpec("s", "squid", bucket=True)).endswith("who can: apache, ats, haproxy, nginx, varnish")
    assert unable(TierSpec("n", "nginx", bucket_url="http://b/shop")) == "bucket_url is of no use without bucket = true"
    assert unable(TierSpec("d", "direct", bucket=True)).startswith("bucket is for a cache")
