"""Read a stored NumPy array by rows, in memory independent of the file size."""

from __future__ import annotations

from math import prod
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from octavo.errors import DataError


class RowReader:
    """Sequential reader of a .npy stream (a file or a member of a .npz).

    Args:
        stream: binary stream at the start of the .npy data.
        name: name for messages.

    Raises:
        DataError: the stream is not a .npy array, or holds Python objects.
    """

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream, self._name = stream, name
        try:
            version = npy.read_magic(stream)
            read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            self.shape, self._fortran, self.dtype = read_header(stream)
            # Rejects invalid shapes (negative, too many or too large dimensions) without allocating.
            np.broadcast_to(np.empty((), self.dtype), self.shape)
        except Exception as error:
            # NumPy evaluates the header as a Python literal; a damaged one raises exceptions of many types.
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(f"{name} is not a readable NumPy array ({reason}); write it with numpy.save") from None
        if self.dtype.hasobject:
            raise DataError(f"{name} holds Python objects, which are unsupported; store numbers")
        if self.dtype.itemsize == 0:
            raise DataError(f"{name} holds items of size zero; store numbers")
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
        # The size in the header is untrusted: allocate as data arrive.
        buffer = bytearray()
        while len(buffer) < size:
            try:
                part = self._stream.read(min(size - len(buffer), 1 << 24))
            except Exception as error:
                raise DataError(f"{self._name} is damaged ({error}); write it again") from None
            if not part:
                raise DataError(f"{self._name} is truncated: {len(buffer)} of {size} bytes; write it again")
            buffer += part
        return buffer
