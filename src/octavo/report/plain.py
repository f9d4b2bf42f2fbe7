"""Results as plain values, the only form that the report reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

# A result, or a part of one, in the types of JSON.
Plain = Mapping[str, Any]


def plain(value: Any) -> Any:
    """Convert a value to the types of JSON; NaN and infinity stay floats.

    Dataclasses become dicts of their fields, but those that define `__str__` become that text.
    Enumerations become their names in lower case, sets sorted lists, arrays nested lists, and all other objects text.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Enum):
        return value.name.lower()
    if is_dataclass(value) and type(value).__str__ is object.__str__:
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
