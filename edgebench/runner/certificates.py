"""Certificates for tiers that speak https."""

from __future__ import annotations

from pathlib import Path

from edgebench.tiers.adapter import Tls


def certified(directory: Path, *hosts: str) -> Tls:
    """A certificate for 127.0.0.1, localhost and further hosts, of a CA that is forgotten at once."""
    import trustme  # takes a tenth of a second

    directory.mkdir(parents=True, exist_ok=True)
    ca = trustme.CA()
    leaf = ca.issue_cert("127.0.0.1", "localhost", *hosts)
    tls = Tls((directory / "server.pem").resolve(), (directory / "ca.pem").resolve())
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tls.chain))
    tls.chain.chmod(0o600)
    ca.cert_pem.write_to_path(str(tls.ca))
    return tls
