"""The instruction sets of the kernel tests: all that this processor supports."""

from __future__ import annotations

import pytest

from octavo.native import cpu

each_isa = pytest.mark.parametrize("isa", cpu().available)
