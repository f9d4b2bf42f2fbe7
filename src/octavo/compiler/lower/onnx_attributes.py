"""Typed reads of the attributes of ONNX nodes."""

from __future__ import annotations

import onnx_ir as ir


def integers(node: ir.Node, name: str) -> list[int] | None:
    """A list of integers; None if the attribute is absent."""
    attribute = node.attributes.get(name)
    return None if attribute is None else [int(value) for value in attribute.as_ints()]


def integer(node: ir.Node, name: str, default: int) -> int:
    """An integer; `default` if the attribute is absent."""
    attribute = node.attributes.get(name)
    return default if attribute is None else int(attribute.as_int())


def number(node: ir.Node, name: str, default: float) -> float:
    """A float; `default` if the attribute is absent."""
    attribute = node.attributes.get(name)
    return default if attribute is None else float(attribute.as_float())


def text(node: ir.Node, name: str, default: str) -> str:
    """A string; `default` if the attribute is absent."""
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.as_string()
