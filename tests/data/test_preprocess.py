"""Invalid preprocessing options."""

from __future__ import annotations

from typing import Any

import pytest
from tests.helpers.sample_data import refusal

from octavo.data import Preprocess
from octavo.errors import OptionError


@pytest.mark.parametrize(
    ("options", "parts"),
    [({"layout": "CHWN"}, ("'CHWN'", "NCHW or NHWC")), ({"std": (0.2, 0.0, 0.2)}, ("std", "zero"))],
)
def test_invalid_options_are_refused(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    refusal(lambda: Preprocess(**options), OptionError, *parts)
