"""The mathematics of affine quantization, in NumPy: every kernel and exporter is tested against it."""

from __future__ import annotations

from octavo.affine.bias import BIAS_LIMIT, bias_scale, quantize_bias, widen_weight_scale
from octavo.affine.convolution import conv, conv_integer, conv_transpose
from octavo.affine.derive import Derivation, Row, Step, derive
from octavo.affine.grid import GRIDS, INT4, INT8, INT16, INT32, UINT4, UINT8, UINT16, Grid, grid
from octavo.affine.mapping import dequantize, fake_quantize, quantize, real_range
from octavo.affine.operators import add, concat, gemm, matmul, matmul_integer, mul
from octavo.affine.overflow import accumulator_bound
from octavo.affine.params import QuantParams, params_from_array, params_from_range, spread
from octavo.affine.pooling import average_pool, global_average_pool, max_pool
from octavo.affine.pytorch import pytorch_params, pytorch_quantize
from octavo.affine.requantize import requantization_multiplier, requantize
from octavo.affine.rules import Rule, RuleName, rule
from octavo.affine.table import apply_table, table

__all__ = [
    "BIAS_LIMIT",
    "GRIDS",
    "INT4",
    "INT8",
    "INT16",
    "INT32",
    "UINT4",
    "UINT8",
    "UINT16",
    "Derivation",
    "Grid",
    "QuantParams",
    "Row",
    "Rule",
    "RuleName",
    "Step",
    "accumulator_bound",
    "add",
    "apply_table",
    "average_pool",
    "bias_scale",
    "concat",
    "conv",
    "conv_integer",
    "conv_transpose",
    "dequantize",
    "derive",
    "fake_quantize",
    "gemm",
    "global_average_pool",
    "grid",
    "matmul",
    "matmul_integer",
    "max_pool",
    "mul",
    "params_from_array",
    "params_from_range",
    "pytorch_params",
    "pytorch_quantize",
    "quantize",
    "quantize_bias",
    "real_range",
    "requantization_multiplier",
    "requantize",
    "rule",
    "spread",
    "table",
    "widen_weight_scale",
]
