"""Names in an exported model: nodes are named after modules, tensors after nodes, dimensions after their meaning."""

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
    """Signature of an exported program.

    Attributes:
        inputs: names of the input tensors, in order.
        outputs: whether each leaf of the returned structure is a tensor.
        returned: returned structure, with the index of each leaf in its place.
        dimensions: dynamic shapes of the export, by input name or in input order; or None.
    """

    inputs: Sequence[str]
    outputs: Sequence[bool]
    returned: Any
    dimensions: Any


def layer_paths(model: ir.Model) -> set[str]:
    """Paths of the modules with weights, read from a model before nodes are fused."""
    return {_path(node) for node in model.graph if node.op_type in (*LINEAR_OPS, "Gather")}


def rename(model: ir.Model, layers: set[str], interface: Interface) -> None:
    """Rename every node and tensor in place, and drop the exporter's metadata.

    Args:
        model: optimized model.
        layers: result of `layer_paths` for the model before optimization.
        interface: signature of the exported program.
    """
    _name_nodes(model.graph, layers)
    _name_inputs_and_outputs(model.graph, interface)
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
    """Name layers with weights after their module, other nodes `<module path>.<operator>`."""
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
    """Whether the node is a convolution or GEMM with weights, or an embedding lookup."""
    operands = [value for value in node.inputs[:2] if value is not None]
    if node.op_type == "Gather":
        return operands[0].is_initializer() and operands[0].dtype == ir.DataType.FLOAT
    return node.op_type in LINEAR_OPS and any(value.is_initializer() for value in operands)


def _owner(node: ir.Node, layers: set[str]) -> str:
    """Path of the module that owns the weights of a layer.

    That is the module whose forward contains the node, unless the weights belong to a submodule (an attention that
    calls a function on the weights of its projections) or the node was fused into one of a module without weights.
    """
    path = _path(node)
    weights = [value.name or "" for value in node.inputs[:2] if value is not None and value.is_initializer()]
    owner = weights[-1].rpartition(".")[0]
    inside = owner.startswith(f"{path}.") if path else bool(owner)
    return owner if owner and (inside or path not in layers) else path


def _path(node: ir.Node) -> str:
    """Path of the module whose forward contains the node; empty for the root module."""
    scopes = ast.literal_eval(node.metadata_props.get(_SCOPES, "[]"))[:-1]
    # The exporter numbers the calls of a module (path@1) and marks its own nodes with a leading underscore.
    path = str(scopes[-1]).partition("@")[0] if scopes else ""
    return "" if path.startswith("_empty_nn_module") else path


def _name_inputs_and_outputs(graph: ir.Graph, interface: Interface) -> None:
    """Name graph inputs and outputs; keep the exporter's names if their number differs from the signature's."""
    taken = {value.name or "" for value in graph.initializers.values()}
    if len(interface.inputs) == len(graph.inputs):
        for value, name in zip(graph.inputs, interface.inputs, strict=True):
            value.name = name
    taken |= {value.name or "" for value in graph.inputs}
    labels = dict(_labels(interface.returned, ""))
    names = [labels[index] for index, is_tensor in enumerate(interface.outputs) if is_tensor]
    if len(names) == len(graph.outputs):
        for value, name in zip(graph.outputs, names, strict=True):
            value.name = _unique(name, taken)


def _labels(value: Any, prefix: str) -> Iterator[tuple[int, str]]:
    """Yield leaf indices with names composed of the keys, fields and positions on the path to them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        value = dict(zip(value._fields, value, strict=True))
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _labels(item, f"{prefix}_{key}" if prefix else str(key))
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from _labels(item, f"{prefix or 'output'}_{index}" if len(value) > 1 else prefix)
    elif isinstance(value, int):
        yield value, prefix or "output"


def _name_weights(graph: ir.Graph) -> None:
    """Give parameter names to weights transposed at export and to biases that come from batch norms."""
    for node in filter(_is_layer, graph):
        for value, part in zip(node.inputs, ("weight", "weight", "bias"), strict=False):
            name = f"{node.name}.{part}"
            if value is None or not value.is_initializer() or name in graph.initializers:
                continue
            if re.fullmatch(r"val_\d+|.*\.weight_bias", value.name or "") and len(value.uses()) == 1:
                value.name = name


def _name_tensors(graph: ir.Graph) -> None:
    """Name node outputs after their node, so that names do not depend on the exporter's numbering."""
    interface = {*graph.inputs, *graph.outputs}
    taken = {value.name or "" for value in (*interface, *graph.initializers.values())}
    for node in graph:
        for value in node.outputs:
            if value not in interface and value.name != "":
                value.name = _unique(node.name or "", taken)


def _name_dimensions(graph: ir.Graph, interface: Interface) -> None:
    """Name symbolic dimensions: as the user did, `batch`, or `<input>_dim_<axis>`."""
    names: dict[str, str] = {}
    for position, value in enumerate(graph.inputs):
        for axis, dim in enumerate(value.shape or ()):
            symbol = dim.value if isinstance(dim, ir.SymbolicDim) else None
            if symbol is not None and symbol.isidentifier() and symbol not in names:
                chosen = _user_dimension(interface.dimensions, value.name or "", position, axis)
                default = "batch" if axis == 0 else f"{value.name}_dim_{axis}"
                names[symbol] = _unique(chosen or default, set(names.values()))
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
    return None if dim.value is None else pattern.sub(lambda match: names[match[0]], dim.value)


def _user_dimension(shapes: Any, name: str, position: int, axis: int) -> str | None:
    """Name that the user gave an axis with `torch.export.Dim("sequence")`, if any."""
    if isinstance(shapes, Mapping):
        spec = shapes.get(name)
    else:
        spec = shapes[position] if isinstance(shapes, tuple | list) and position < len(shapes) else None
    dim = spec.get(axis) if isinstance(spec, Mapping) else None
    if isinstance(spec, tuple | list) and axis < len(spec):
        dim = spec[axis]
    return getattr(dim, "__name__", None)


def _unique(name: str, taken: set[str]) -> str:
    """Return the name, with a number if it is taken, and add it to `taken`."""
    unique, number = name, 0
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    taken.add(unique)
    return unique
