"""A stack whose only cache is placed as a test wants it, before it starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgebench.runner.stack import Stack


def placed(stack: Stack, **changes: Any) -> Stack:
    """The same stack, with these fields of its Place."""
    (only,) = stack.instances
    stack.place = replace(only.place, **changes)
    stack.instances = (replace(only, place=stack.place),)
    return stack
