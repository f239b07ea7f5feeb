"""Tiers that are not started here, and tiers that speak https."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edgebench.errors import UserError
from edgebench.model import Cell, Freshness, Load, OriginSpec, TierSpec
from edgebench.runner import external as external_tiers
from edgebench.runner.certificates import certified
from edgebench.runner.guardian import Guardian
from edgebench.runner.services import Service, free_port
from edgebench.runner.stack import Stack
from edgebench.tiers import EXTERNAL, adapters
from edgebench.tiers.adapter import Place
from tests.client import ask

APP = "tests.apps:app"


def external(url: str, origin_port: int, directory: Path, guardian: Guardian) -> Stack:
    cell = Cell(TierSpec("mine", EXTERNAL, url=url), Freshness(), Load())
    return Stack(cell, OriginSpec(app=APP, port=origin_port), directory, (), guardian)


def test_somebodys_own_proxy_is_measured_through(tmp_path: Path) -> None:
    nginx, origin_port, port = adapters()["nginx"], free_port(), free_port()
    binary = nginx.find()
    assert binary is not None
    place = Place(tmp_path / "theirs", port, origin_port)
    (place.directory / "tmp").mkdir(parents=True)
    for name, text in nginx.files(binary, place).items():
        (place.directory / name).write_text(text)
    [process] = nginx.processes(binary, place)
    with Guardian() as guardian:
        theirs = Service("theirs", "tier", process.argv, {}, tmp_path / "theirs.log", (), guardian)
        theirs.stop_signal = process.stop_signal
        theirs.start()
        try:
            with external(f"http://127.0.0.1:{port}/", origin_port, tmp_path / "ours", guardian) as stack:
                assert stack.url == f"http://127.0.0.1:{port}"
                first, second = (ask(stack.url, "/public/a") for _ in range(2))
                assert first.seq == second.seq is not None
                record = stack.record()
                assert (record.kind, record.expiry, record.counters) == (EXTERNAL, None, {})
            assert theirs.popen is not None and theirs.popen.poll() is None  # it is not ours to stop
        finally:
            theirs.stop()


def test_a_proxy_that_does_not_lead_to_the_origin_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_tiers, "EXTERNAL_LIMIT_S", 0.3)
    url = f"http://127.0.0.1:{free_port()}"
    with Guardian() as guardian, pytest.raises(UserError, match=rf"tier mine: {url} does not reach the origin on port"):
        external(url, free_port(), tmp_path, guardian).__enter__()


def test_a_tier_speaks_https_with_a_certificate_made_for_the_run(tmp_path: Path) -> None:
    tls = certified(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.chain)
    assert tls.chain.stat().st_mode & 0o077 == 0
    cell = Cell(TierSpec("nginx", "nginx", tls=True), Freshness(), Load())
    with Guardian() as guardian, Stack(cell, OriginSpec(app=APP), tmp_path / "run", (), guardian) as stack:
        assert stack.url.startswith("https://") and stack.ca is not None
        connection = http.client.HTTPSConnection(
            urlsplit(stack.url).netloc, timeout=10, context=ssl.create_default_context(cafile=str(stack.ca))
        )
        connection.request("GET", "/public/a")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"public a ")
        assert answer.headers["Edgebench-Origin"].startswith("seq=")
        connection.close()
