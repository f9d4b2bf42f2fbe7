"""Integer grids: the storage type and the bounds that quantized values may take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.errors import OptionError

_BITS = {"int4": 4, "uint4": 4, "int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "int32": 32}
_TEXT = re.compile(r"(?P<dtype>\w+)(?:\[(?P<qmin>-?\d+),\s*(?P<qmax>-?\d+)\])?")


def _full(dtype: str) -> tuple[int, int]:
    bits = _BITS[dtype]
    return (0, 2**bits - 1) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@dataclass(frozen=True)
class Grid:
    """The integers qmin..qmax, stored as `dtype`.

    Raises:
        OptionError: the dtype is unknown, or the bounds are empty or outside the dtype.
    """

    dtype: str
    qmin: int
    qmax: int

    def __post_init__(self) -> None:
        if self.dtype not in _BITS:
            raise OptionError(f"there is no grid '{self.dtype}'; use one of {', '.join(_BITS)}")
        low, high = _full(self.dtype)
        if not low <= self.qmin < self.qmax <= high:
            raise OptionError(f"bounds [{self.qmin},{self.qmax}] do not fit {self.dtype}; keep within [{low},{high}]")

    @property
    def bits(self) -> int:
        """Bits of the storage type."""
        return _BITS[self.dtype]

    @property
    def signed(self) -> bool:
        """Whether the storage type has a sign."""
        return not self.dtype.startswith("u")

    @property
    def levels(self) -> int:
        """The number of integers on the grid."""
        return self.qmax - self.qmin + 1

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The NumPy type that holds the grid; 4-bit grids take one byte per value."""
        return np.dtype(self.dtype.replace("int4", "int8"))

    @property
    def middle(self) -> int:
        """The integer a symmetric mapping assigns to 0.0: 0 if signed, else half of the range, rounded up."""
        return 0 if self.signed else (self.qmin + self.qmax + 1) // 2

    def narrow(self) -> Grid:
        """The symmetric part of a signed grid: [-127,127] of int8."""
        bound = min(-self.qmin, self.qmax)
        return Grid(self.dtype, -bound, bound) if self.signed else self

    @classmethod
    def parse(cls, text: str) -> Grid:
        """Read "int8" or "int8[-127,127]".

        Raises:
            OptionError: the text is not a grid.
        """
        match = _TEXT.fullmatch(str(text).strip())
        if match is None or match["dtype"] not in _BITS:
            raise OptionError(f"'{text}' is not a grid; write for example int8 or int8[-127,127]")
        low, high = _full(match["dtype"])
        if match["qmin"] is not None:
            low, high = int(match["qmin"]), int(match["qmax"])
        return cls(match["dtype"], low, high)

    def __str__(self) -> str:
        whole = (self.qmin, self.qmax) == _full(self.dtype)
        return self.dtype if whole else f"{self.dtype}[{self.qmin},{self.qmax}]"


GRIDS: dict[str, Grid] = {name: Grid(name, *_full(name)) for name in _BITS}
INT4, UINT4 = GRIDS["int4"], GRIDS["uint4"]
INT8, UINT8 = GRIDS["int8"], GRIDS["uint8"]
INT16, UINT16 = GRIDS["int16"], GRIDS["uint16"]
INT32 = GRIDS["int32"]


def grid(name: str) -> Grid:
    """The full grid of that name.

    Raises:
        OptionError: there is no such grid.
    """
    return Grid.parse(name)
