"""Attributes of nodes, with ONNX's default where the node does not state them."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir


def attribute(node: ir.Node, name: str, default: int | float) -> int | float:
    """A number among the node's attributes, or `default`."""
    stated = node.attributes.get(name)
    return default if stated is None else stated.value


def int_list(node: ir.Node, name: str, default: Sequence[int]) -> list[int]:
    """A list of integers among the node's attributes, or `default`."""
    stated = node.attributes.get(name)
    return list(default if stated is None else stated.as_ints())


def text(node: ir.Node, name: str, default: str) -> str:
    """A string among the node's attributes, or `default`."""
    stated = node.attributes.get(name)
    return default if stated is None else stated.as_string()
