"""Read a stored NumPy array row by row, so that memory does not grow with the file."""

from __future__ import annotations

from math import prod
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from octavo.errors import DataError


class RowReader:
    """A .npy stream (plain or inside a .npz) read from the first row on.

    Args:
        stream: opened for reading bytes, at the start of the .npy data.
        name: what messages call it.

    Raises:
        DataError: the stream is not a .npy array, or holds Python objects.
    """

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream, self._name = stream, name
        try:
            version = npy.read_magic(stream)
            read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            self.shape, self._fortran, self.dtype = read_header(stream)
            # Costs nothing, and refuses what no array can be: negative, too many, or too large dimensions.
            np.broadcast_to(np.empty((), self.dtype), self.shape)
        except Exception as error:
            # NumPy parses the header as Python, and a damaged one fails in any part of that.
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(f"{name} is not a readable NumPy array ({reason}); write it with numpy.save") from None
        if self.dtype.hasobject:
            raise DataError(f"{name} holds Python objects, which are not read; store numbers")
        if self.dtype.itemsize == 0:
            raise DataError(f"{name} holds no numbers but empty texts; store numbers")
        self._rows: NDArray[Any] | None = None
        self._position = 0

    def read(self, count: int) -> NDArray[Any]:
        """The next `count` rows, fewer at the end.

        Raises:
            DataError: the file ends before the array does.
        """
        count = min(count, self.shape[0] - self._position)
        self._position += count
        if self._fortran and len(self.shape) > 1:
            self._rows = self._read_fortran() if self._rows is None else self._rows
            return np.ascontiguousarray(self._rows[self._position - count : self._position])
        shape = (count, *self.shape[1:])
        return np.frombuffer(self._bytes(prod(shape) * self.dtype.itemsize), self.dtype).reshape(shape)

    def _read_fortran(self) -> NDArray[Any]:
        data = self._bytes(prod(self.shape) * self.dtype.itemsize)
        return np.frombuffer(data, self.dtype).reshape(self.shape[::-1]).T

    def _bytes(self, size: int) -> bytearray:
        # The size is the header's word: memory grows with what is there, not with what it says.
        buffer = bytearray()
        while len(buffer) < size:
            try:
                part = self._stream.read(min(size - len(buffer), 1 << 24))
            except Exception as error:
                raise DataError(f"{self._name} is damaged ({error}); write it again") from None
            if not part:
                raise DataError(f"{self._name} ends too early: {len(buffer)} of {size} bytes; write it again")
            buffer += part
        return buffer
