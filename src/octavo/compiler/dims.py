"""Dynamic dimensions of a model's inputs: fixed at a length, or left open within bounds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from octavo.compiler.program import Size
from octavo.compiler.sizes import MAX_SIZES, SampleLengths
from octavo.errors import ModelError, OptionError

# By the name of a dynamic dimension: its length, or the smallest and the largest it may have.
Dims = Mapping[str, int | tuple[int, int]]

# The largest length of a dimension without bounds: the model is lowered there, and an attention has that many scores.
DEFAULT_MAX = 1 << 15
_MAX = 1 << 24


@dataclass(frozen=True)
class _Kind:
    """Of a kind of dimension: the first length to lower at, the degree in it, and the default length."""

    first: int
    degree: int
    default: int


# A length of 1 often is an exception (a view, a broadcast), so that lowering starts at 2 or more.
_BATCH, _OTHER = _Kind(2, 1, 1), _Kind(4, 2, 128)


@dataclass(frozen=True)
class InputDims:
    """The dimensions of all inputs.

    Attributes:
        shapes: of each input, its lengths; the names of dynamic dimensions.
        fixed: lengths of the dynamic dimensions that are fixed.
        open: the dynamic dimensions that stay open.
        batches: names of dynamic first axes.
    """

    shapes: Mapping[str, list[int | str]]
    fixed: Mapping[str, int]
    open: tuple[Size, ...]
    batches: Collection[int | str]

    def lengths(self, open_lengths: Sequence[int]) -> dict[str, int]:
        """The length of every dynamic dimension, at these lengths of the open ones."""
        return {**self.fixed, **{size.name: n for size, n in zip(self.open, open_lengths, strict=True)}}

    def samples(self) -> SampleLengths:
        """The lengths at which a model with open dimensions is lowered."""
        kinds = [_BATCH if size.name in self.batches else _OTHER for size in self.open]
        pairs = list(zip(self.open, kinds, strict=True))
        degrees = tuple(min(kind.degree, size.maximum - size.minimum) for size, kind in pairs)
        firsts = tuple(
            max(min(kind.first, size.maximum - degree), size.minimum)
            for (size, kind), degree in zip(pairs, degrees, strict=True)
        )
        defaults = tuple(min(max(kind.default, size.minimum), size.maximum) for size, kind in pairs)
        return SampleLengths(firsts, degrees, defaults)

    def arguments(self, lengths: Sequence[int]) -> str:
        """The arguments that fix the open dimensions at these lengths, in words of a message."""
        return " ".join(
            f"`batch={n}`" if size.name in self.batches else f"`dims={{'{size.name}': {n}}}`"
            for size, n in zip(self.open, lengths, strict=True)
        )


def input_dims(graph: ir.Graph, batch: int | None, dims: Dims) -> InputDims:
    """Resolve the dynamic dimensions of a graph's inputs.

    Args:
        graph: the graph.
        batch: a length for dynamic first axes.
        dims: a length or bounds by name.

    Raises:
        ModelError: an input has no shape or is empty, or more dimensions stay open than the runtime supports.
        OptionError: there is no dynamic dimension of a name in `dims`, or bounds are invalid.
    """
    shapes = {value.name or "": _shape(value) for value in graph.inputs}
    names = list(dict.fromkeys(dim for shape in shapes.values() for dim in shape if isinstance(dim, str)))
    unknown = [name for name in dims if name not in names]
    if unknown:
        raise OptionError(f"the model has no dynamic dimension '{unknown[0]}'; it has {', '.join(names) or 'none'}")
    if batch is not None:
        dims = {**{shape[0]: batch for shape in shapes.values() if shape and isinstance(shape[0], str)}, **dims}
    fixed: dict[str, int] = {}
    sizes: list[Size] = []
    for name in names:
        bounds = dims.get(name, (1, DEFAULT_MAX))
        if isinstance(bounds, tuple):
            sizes.append(_open_size(name, *bounds))
        else:
            fixed[name] = int(bounds)
    if len(sizes) > MAX_SIZES:
        raise ModelError(
            f"{len(sizes)} dimensions of the inputs are dynamic ({', '.join(size.name for size in sizes)}) and the "
            f"runtime supports {MAX_SIZES}; fix the others: `dims={{'{sizes[-1].name}': 128}}`"
        )
    return InputDims(shapes, fixed, tuple(sizes), {shape[0] for shape in shapes.values() if shape})


def _open_size(name: str, minimum: int, maximum: int) -> Size:
    if not 1 <= minimum < maximum <= _MAX:
        raise OptionError(f"'{name}' cannot be {minimum} to {maximum}; bounds are 1 to {_MAX}, the smaller first")
    return Size(name, minimum, maximum)


def _shape(value: ir.Value) -> list[int | str]:
    """The input's lengths; dynamic ones by name, or a made-up name if they have none."""
    if value.shape is None:
        raise ModelError(f"input '{value.name}' has no shape; export the model with shapes")
    shape: list[int | str] = []
    for axis, dim in enumerate(value.shape):
        unnamed = "batch" if axis == 0 else f"{value.name}_{axis}"
        shape.append(dim if isinstance(dim, int) else dim.value or unnamed)
    if 0 in shape:
        raise ModelError(f"input '{value.name}' of shape {shape} is empty; export the model with its sizes")
    return shape
