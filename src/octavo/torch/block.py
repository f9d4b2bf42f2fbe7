"""A block of layers whose weight rounding is learned, in NumPy arrays: the input of `learn_rounding`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Rounded:
    """A quantized weight.

    Attributes:
        tensor: name of the dequantized tensor that the nodes read.
        real: float weight divided by its scale, float64.
        integers: quantized weight, same shape as `real`.
        scale: broadcasts to the shape of `real`.
        qmin, qmax: bounds of the grid.
    """

    tensor: str
    real: NDArray[np.float64]
    integers: NDArray[Any]
    scale: NDArray[np.float32]
    qmin: int
    qmax: int


@dataclass(frozen=True)
class Biased:
    """A bias corrected for the mean error that weight rounding causes in the layer's output.

    Attributes:
        layer: name of the node.
        tensor: name of the bias tensor that the node reads.
        value: current bias, shape (channels,).
        output: name of the layer's output in the quantized model; channels are axis 1.
        reference: name of the same output in `Batch.references`.
    """

    layer: str
    tensor: str
    value: NDArray[np.float32]
    output: str
    reference: str


@dataclass(frozen=True)
class Batch:
    """Inputs of a block with its reference outputs.

    Attributes:
        inputs: tensors that the block's nodes read, with their values in the quantized model.
        references: reference values, from the float model, of the block's outputs and of the outputs of layers in
            `Task.biases`.
        weight: importance of each element of a block output, same shape; 1 for outputs without an entry.
        size: number of samples; an array whose first axis has another size is not split into samples.
    """

    inputs: Arrays
    references: Arrays
    weight: Arrays
    size: int


@dataclass(frozen=True)
class Task:
    """A block to optimize.

    Attributes:
        nodes: nodes of the quantized model, in topological order.
        exits: maps names of block outputs in `Batch.references` to their names in the quantized model.
        weights: weights whose rounding may change.
        biases: biases to correct, in topological order.
        steps: optimizer steps.
        rows: samples per step.
        seed: seed of batch selection.
    """

    nodes: Sequence[ir.Node]
    exits: Mapping[str, str]
    weights: Sequence[Rounded]
    biases: Sequence[Biased]
    steps: int
    rows: int
    seed: int
