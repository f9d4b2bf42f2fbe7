"""The decisions that rungs add to a plain quantization."""

from __future__ import annotations

from dataclasses import dataclass, field

from octavo.affine import Grid, QuantParams
from octavo.graph.weights import Constants


@dataclass(frozen=True)
class Decisions:
    """Decisions beyond those of the planner; a new kind of decision is a new field here, and its use in `derive`.

    Finished rungs are stored on disk field by field, from the annotations: a field may hold numbers, strings,
    arrays, dataclasses of those, and lists, tuples and dicts of all of these.

    Attributes:
        left_out: layers left in float, with the reason of each.
        estimators: the range estimator of a tensor, by the tensor that is observed for it.
        grids: the grid of an activation, by the tensor that is observed for it.
        weight_grids: the grid of a layer's weights, by the layer, where it has more bits than the target's.
        constants: integers of weights that replace round-to-nearest, in the layout of the float model's array.
        trained: learned parameters of activations, by the tensor that is observed for them.
        refinements: the refinements of plain quantization that were kept, each with what it did.
    """

    left_out: dict[str, str] = field(default_factory=dict)
    estimators: dict[str, str] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)
    weight_grids: dict[str, Grid] = field(default_factory=dict)
    constants: Constants = field(default_factory=dict)
    trained: dict[str, QuantParams] = field(default_factory=dict)
    refinements: dict[str, str] = field(default_factory=dict)
