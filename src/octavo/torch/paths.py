"""Names in an exported model: nodes after modules, tensors after nodes, dimensions after what they count."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from octavo.graph.linear import LINEAR_OPS

_SCOPES = "pkg.torch.onnx.name_scopes"


@dataclass(frozen=True)
class Interface:
    """What the exported program says of itself.

    Attributes:
        inputs: names of the tensors it takes, in order.
        outputs: for each leaf of what it returns, whether it is a tensor.
        returned: the structure that it returns, with the number of each leaf in its place.
        dimensions: the dynamic shapes it was exported with, by input or in the order of inputs; or None.
    """

    inputs: Sequence[str]
    outputs: Sequence[bool]
    returned: Any
    dimensions: Any


def layer_paths(model: ir.Model) -> set[str]:
    """The modules that multiply with weights, read from a model before anything is fused."""
    return {_path(node) for node in model.graph if node.op_type in (*LINEAR_OPS, "Gather")}


def rename(model: ir.Model, layers: set[str], interface: Interface) -> None:
    """Give every node and tensor its lasting name, and drop what else the exporter noted of them."""
    _name_nodes(model.graph, layers)
    _name_ends(model.graph, interface)
    _name_weights(model.graph)
    _name_tensors(model.graph)
    _name_dimensions(model.graph, interface)
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    model.graph.metadata_props.clear()


def _name_nodes(graph: ir.Graph, layers: set[str]) -> None:
    """A product with weights is its module; all else says its operator behind the module's path."""
    nodes, taken = list(graph), set[str]()
    owners = {node: _owner(node, layers) for node in nodes if _is_layer(node)}
    for node, path in owners.items():
        if path:
            node.name = _unique(path, taken)
    for node in nodes:
        if not owners.get(node):
            path, suffix = _path(node), node.op_type.lower()
            bare = not path or path.rpartition(".")[2] == suffix
            node.name = _unique((path or suffix) if bare else f"{path}.{suffix}", taken)


def _is_layer(node: ir.Node) -> bool:
    """A product with weights, or an embedding's look-up."""
    operands = [value for value in node.inputs[:2] if value is not None]
    if node.op_type == "Gather":
        return operands[0].is_initializer() and operands[0].dtype == ir.DataType.FLOAT
    return node.op_type in LINEAR_OPS and any(value.is_initializer() for value in operands)


def _owner(node: ir.Node, layers: set[str]) -> str:
    """The path of the module whose weights a product takes.

    That is the module in whose forward it stands, unless the weights are from further inside (an attention that
    calls a function on the weights of its projections) or the node was fused into one that has none.
    """
    path = _path(node)
    weights = [value.name or "" for value in node.inputs[:2] if value is not None and value.is_initializer()]
    owner = weights[-1].rpartition(".")[0]
    inside = owner.startswith(f"{path}.") if path else bool(owner)
    return owner if owner and (inside or path not in layers) else path


def _path(node: ir.Node) -> str:
    """The path of the module in whose forward a node stands; empty for the outermost."""
    scopes = ast.literal_eval(node.metadata_props.get(_SCOPES, "[]"))[:-1]
    # The exporter numbers the calls of a module, path@1, and marks nodes of its own with a leading underscore.
    found = str(scopes[-1]).partition("@")[0] if scopes else ""
    return "" if found.startswith("_empty_nn_module") else found


def _name_ends(graph: ir.Graph, interface: Interface) -> None:
    """Inputs and outputs; where the numbers of them differ from what was exported, the exporter's names stay."""
    taken = {value.name or "" for value in graph.initializers.values()}
    if len(interface.inputs) == len(graph.inputs):
        for value, name in zip(graph.inputs, interface.inputs, strict=True):
            value.name = name
    taken |= {value.name or "" for value in graph.inputs}
    labels = dict(_labels(interface.returned, ""))
    names = [labels[number] for number, is_tensor in enumerate(interface.outputs) if is_tensor]
    if len(names) == len(graph.outputs):
        for value, name in zip(graph.outputs, names, strict=True):
            value.name = _unique(name, taken)


def _labels(value: Any, prefix: str) -> Iterator[tuple[int, str]]:
    """Leaf numbers with the keys, fields and places that lead to them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        value = dict(zip(value._fields, value, strict=True))
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _labels(each, f"{prefix}_{key}" if prefix else str(key))
    elif isinstance(value, tuple | list):
        for place, each in enumerate(value):
            yield from _labels(each, f"{prefix or 'output'}_{place}" if len(value) > 1 else prefix)
    elif isinstance(value, int):
        yield value, prefix or "output"


def _name_weights(graph: ir.Graph) -> None:
    """Weights that were transposed ahead, and biases that batch norms left, are named as parameters would be."""
    for node in filter(_is_layer, graph):
        for value, part in zip(node.inputs, ("weight", "weight", "bias"), strict=False):
            name = f"{node.name}.{part}"
            if value is None or not value.is_initializer() or name in graph.initializers:
                continue
            if re.fullmatch(r"val_\d+|.*\.weight_bias", value.name or "") and len(value.uses()) == 1:
                value.name = name


def _name_tensors(graph: ir.Graph) -> None:
    """What a node gives is named after it, so that names do not hang on how the exporter counts."""
    ends = {*graph.inputs, *graph.outputs}
    taken = {value.name or "" for value in (*ends, *graph.initializers.values())}
    for node in graph:
        for value in node.outputs:
            if value not in ends and value.name != "":
                value.name = _unique(node.name or "", taken)


def _name_dimensions(graph: ir.Graph, interface: Interface) -> None:
    names: dict[str, str] = {}
    for place, value in enumerate(graph.inputs):
        for axis, dim in enumerate(value.shape or ()):
            symbol = dim.value if isinstance(dim, ir.SymbolicDim) else None
            if symbol is not None and symbol.isidentifier() and symbol not in names:
                stated = _stated(interface.dimensions, value.name or "", place, axis)
                usual = "batch" if axis == 0 else f"{value.name}_dim_{axis}"
                names[symbol] = _unique(stated or usual, set(names.values()))
    if not names:
        return
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")
    values = [*graph.inputs, *(value for node in graph.all_nodes() for value in node.outputs)]
    for value in values:
        if value.shape is not None:
            value.shape = ir.Shape([_renamed(dim, pattern, names) for dim in value.shape])


def _renamed(dim: int | ir.SymbolicDim, pattern: re.Pattern[str], names: Mapping[str, str]) -> int | str | None:
    if isinstance(dim, int):
        return dim
    return None if dim.value is None else pattern.sub(lambda found: names[found[0]], dim.value)


def _stated(shapes: Any, name: str, place: int, axis: int) -> str | None:
    """The name that the user gave an axis, `torch.export.Dim("sequence")`."""
    if isinstance(shapes, Mapping):
        spec = shapes.get(name)
    else:
        spec = shapes[place] if isinstance(shapes, tuple | list) and place < len(shapes) else None
    dim = spec.get(axis) if isinstance(spec, Mapping) else None
    if isinstance(spec, tuple | list) and axis < len(spec):
        dim = spec[axis]
    return getattr(dim, "__name__", None)


def _unique(name: str, taken: set[str]) -> str:
    """The name, numbered if it is taken; it is taken from then on."""
    found, number = name, 0
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found
