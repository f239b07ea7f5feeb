"""What can go wrong, and the exit code each ends with.

EdgebenchError          1  the harness failed
└── UserError           2  the user's input is wrong: one line says where, what was expected and what to do
"""

from __future__ import annotations


class EdgebenchError(Exception):
    """The harness could not do its work. The message is one line for the user."""

    exit_code = 1


class UserError(EdgebenchError):
    """What the user gave is wrong: the message names the place, what was expected and what to do."""

    exit_code = 2
