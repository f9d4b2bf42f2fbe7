"""The forms of one item of an iterable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def unpack_labels(item: Any) -> Any:
    """Flatten the pair (inputs, labels), inputs being a dict or a tuple of tensors; return other items unchanged."""
    if not isinstance(item, tuple | list) or len(item) != 2:
        return item
    inputs, labels = item
    if isinstance(inputs, Mapping):
        return {**inputs, "labels": labels}
    if isinstance(inputs, tuple | list) and inputs and all(hasattr(tensor, "shape") for tensor in inputs):
        return (*inputs, labels)
    return item
