"""The harness, through each faulty proxy at 500 requests/s: it finds what the proxy says it did, and nothing else.

The long proof, 30 s each and ten runs of the correct proxy, is benchmarks/broken_proxy.py.
"""

from __future__ import annotations

from pathlib import Path

from edgebench.model import TrustStatus
from tests.broken.faults import Fault
from tests.broken.proving import Proved, prove
from tests.broken.verdicts import SOUGHT, Found

F = Fault


def found(proved: Proved) -> Found:
    return SOUGHT[proved.account.fault].found(proved)


def visible(proved: Proved) -> int:
    return SOUGHT[proved.account.fault].visible(proved)


def prove_all(folder: Path, measure_s: float, *faults: Fault) -> dict[Fault, Proved]:
    return {proved.account.fault: proved for proved in prove(folder, {f: f for f in faults}, measure_s).values()}


def status(proved: Proved) -> TrustStatus | None:
    return SOUGHT[proved.account.fault].status(proved)


def test_nothing_is_said_of_a_correct_proxy(tmp_path: Path) -> None:
    proved = prove_all(tmp_path, 10, Fault.NONE)[Fault.NONE]
    assert proved.reasons == () and not proved.findings & {"NOT_COLLAPSED", "STORED_PRIVATE", "SERIALISED", "CUT_OFF"}
    checks = proved.trial.correctness
    assert checks.collapse is not None and checks.collapse.most == 1 and checks.collapse.groups > 50
    for check in (checks.leak, checks.wrong_variant, checks.over_stale, checks.broken_body, checks.cut_off):
        assert check is not None and check.count == 0 and check.checked > 1000


def test_faults_that_show_at_once(tmp_path: Path) -> None:
    proved = prove_all(tmp_path, 2, F.LEAK_PRIVATE, F.IGNORE_VARY, F.LABEL_MISSES_AS_HITS, F.NO_COLLAPSE)
    leak, vary, label, herd = proved.values()
    for each in (leak, vary):
        assert status(each) is TrustStatus.INVALID and found(each).count == visible(each) > 20
    assert status(label) is TrustStatus.SUSPECT and status(herd) is TrustStatus.VALID
    # Who fetched a thing and who waited for it are told apart by who was sent first: once in a while another.
    assert 0.9 * visible(label) <= found(label).count <= visible(label)
    # What overlaps at the proxy need not overlap at the origin.
    assert 0 < found(herd).count <= visible(herd)


def test_faults_that_take_a_moment(tmp_path: Path) -> None:
    proved = prove_all(tmp_path, 5, F.DOUBLE_TTL, F.TRUNCATE, F.TRUNCATE_SHORT)
    stale, truncated, short = proved.values()
    for each in (truncated, short):
        assert status(each) is TrustStatus.INVALID and found(each).count == visible(each) == 2
    assert status(stale) is TrustStatus.SUSPECT
    # Near the limit, what was sent before it arrives after it.
    assert stale.wronged(lambda past: float(past) > 1.5) <= found(stale).count <= stale.wronged()
    assert found(stale).count > 20


def test_two_answers_that_were_exchanged_once_in_10_000(tmp_path: Path) -> None:
    proved = prove_all(tmp_path, 20.3, F.SWAP)[F.SWAP]
    assert status(proved) is TrustStatus.INVALID
    assert found(proved).count == visible(proved) == 2
    after = found(proved).after_requests
    assert after is not None and after > 9_900  # in the order of sending, which is not quite the proxy's
