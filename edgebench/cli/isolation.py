"""A run whose cells are in networks happens in a network namespace of its own."""

from __future__ import annotations

import sys

from edgebench.errors import UserError
from edgebench.model import LOOPBACK, Scenario
from edgebench.network import possible
from edgebench.tiers import EXTERNAL


def check_networks(scenario: Scenario) -> None:
    """UserError where this machine cannot emulate the scenario's networks, or they could not be reached."""
    if set(scenario.network) <= {LOOPBACK}:
        return
    for tier in scenario.tiers:
        if tier.kind == EXTERNAL:
            raise UserError(
                f"tier {tier.name}: a tier by URL cannot be reached from an emulated network: leave it out, or measure "
                f'with axes.network = ["{LOOPBACK}"]'
            )
    if not possible.possible().unshare:
        raise UserError(
            f"networks cannot be emulated here: {possible.possible().why_not}; or measure with "
            f'--set axes.network=["{LOOPBACK}"]'
        )


def isolate(scenario: Scenario) -> None:
    """Go on in a namespace where the scenario needs one: the same command once more, under the same pid."""
    if set(scenario.network) <= {LOOPBACK}:
        return
    if not possible.is_inside():
        check_networks(scenario)
        possible.enter(possible.possible(), [sys.executable, *sys.orig_argv[1:]])
    possible.settle()
