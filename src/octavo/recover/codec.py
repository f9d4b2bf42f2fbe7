"""Decisions as JSON and arrays, for the checkpoint of the ladder: generic over the annotations of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

Arrays = dict[str, np.ndarray]


def encode(value: Any, arrays: Arrays) -> Any:
    """A value as JSON, with its arrays added to `arrays` under names that the JSON refers to.

    Args:
        value: a number, a string, None, an array, a dataclass of such values, or a list, tuple or dict of them.
        arrays: receives the arrays.

    Raises:
        TypeError: a value has another type.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.ndarray | np.generic):
        name = f"a{len(arrays)}"
        arrays[name] = np.asarray(value)
        return name
    if isinstance(value, Mapping):
        return [[encode(key, arrays), encode(item, arrays)] for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [encode(item, arrays) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name), arrays) for field in fields(value)}
    raise TypeError(f"a value of type {type(value).__name__} cannot be stored")


def decode(annotation: Any, data: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The inverse of `encode`, for a value of the annotated type.

    Args:
        annotation: the type of the value, with the types of its items.
        data: what `encode` returned, or the same read from JSON.
        arrays: the arrays that `encode` added.

    Raises:
        TypeError, ValueError, KeyError: the data do not fit the annotation.
    """
    origin: Any = get_origin(annotation) or annotation
    args = get_args(annotation)
    if origin in (Union, UnionType):
        kinds = [kind for kind in args if kind is not NoneType]
        return None if data is None else decode(kinds[0], data, arrays)
    if origin is np.ndarray:
        return arrays[data]
    if origin is dict:
        return {decode(args[0], key, arrays): decode(args[1], item, arrays) for key, item in data}
    if origin is list:
        return [decode(args[0], item, arrays) for item in data]
    if origin is tuple:
        return tuple(decode(kind, item, arrays) for kind, item in zip(args, data, strict=True))
    if isinstance(origin, type) and is_dataclass(origin):
        hints = get_type_hints(origin)
        return origin(**{name: decode(hints[name], item, arrays) for name, item in data.items()})
    if origin not in (str, bool, int, float) or not isinstance(data, origin):
        raise TypeError(f"{data!r} is not of type {annotation}")
    return data
