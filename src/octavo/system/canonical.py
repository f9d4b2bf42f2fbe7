"""Values as text that is the same in every process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass


def canonical(value: object) -> str:
    """A value as text that depends on nothing but its content.

    The `repr` of a set follows the hash seed of the process; here its items are sorted.

    Args:
        value: None, a number, a string, a dataclass, or a list, tuple, set or mapping of such values; anything else
            counts as its `repr`.
    """
    return json.dumps(_plain(value), ensure_ascii=True)


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, *([field.name, _plain(getattr(value, field.name))] for field in fields(value))]
    if isinstance(value, Mapping):
        return ["mapping", *sorted(([_plain(key), _plain(item)] for key, item in value.items()), key=json.dumps)]
    if isinstance(value, Set):
        return ["set", *sorted((_plain(item) for item in value), key=json.dumps)]
    if isinstance(value, list | tuple):
        return ["list", *(_plain(item) for item in value)]
    return repr(value)
