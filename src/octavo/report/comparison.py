"""The tensors of compared models side by side, for the terminal and the HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from octavo.report.plain import Plain


@dataclass(frozen=True)
class SharedTensor:
    """A tensor of the reference model, and its error in each compared model.

    Attributes:
        name: name of the tensor.
        op: type of the operator that writes it.
        layer: name of that operator.
        output: whether it is a graph output.
        errors: the error in each compared model; None where the model has no such tensor.
    """

    name: str
    op: str
    layer: str
    output: bool
    errors: list[Plain | None]


def shared_tensors(comparisons: Sequence[Plain]) -> list[SharedTensor]:
    """The tensors that at least one compared model shares with the reference: inner tensors, then outputs.

    Args:
        comparisons: the plain form of one `Comparison` for each compared model.
    """
    rows: dict[str, SharedTensor] = {}
    for output in (False, True):
        for i, comparison in enumerate(comparisons):
            for tensor in comparison["outputs" if output else "layers"]:
                name = tensor["name"]
                row = SharedTensor(name, tensor["op"], tensor["layer"], output, [None] * len(comparisons))
                rows.setdefault(name, row).errors[i] = tensor["error"]
    return list(rows.values())
