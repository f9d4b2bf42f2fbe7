"""The instruction sets that the tests of kernels run over: all that this processor has."""

from __future__ import annotations

import pytest

from octavo.native import cpu

each_isa = pytest.mark.parametrize("isa", cpu().available)
