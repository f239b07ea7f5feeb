"""What all tables of a scenario file have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

DAY_S = 86_400
SAFE_NAME = r"^[a-z0-9][a-z0-9_-]*$"
_NAME_FORM = "a name of the letters a-z, digits, _ and -, at most 64 long"
NO_NUL = r"^[^\u0000]*$"  # the operating system takes no NUL in a path or an environment variable

SafeName = Annotated[str, Field(pattern=SAFE_NAME, max_length=64, json_schema_extra={"x-form": _NAME_FORM})]
EnvValue = Annotated[str, Field(pattern=NO_NUL, json_schema_extra={"x-form": "text"})]


def no_default(node: dict[str, Any]) -> None:
    """TOML has no null: what may be left out is left out."""
    del node["default"]


def optional(**extra: Any) -> Callable[[dict[str, Any]], None]:
    """The same, with more to say of the key."""

    def change(node: dict[str, Any]) -> None:
        no_default(node)
        node.update(extra)

    return change


class Table(BaseModel):
    """Unknown keys are errors, and nothing is converted: `"5"` is not 5 and 1.0 is no whole number."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True)
