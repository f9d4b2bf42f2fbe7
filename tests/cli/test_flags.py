"""Parameters of the library in messages, as options of the command line."""

from __future__ import annotations

import pytest
from typer.main import get_command

from octavo.cli.app import app
from octavo.cli.flags import flags_of, with_flags


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("give `evaluate` with `max_drop`", "give --evaluate with --max-drop"),
        ('quantize with `rungs="mix"`', "quantize with --rungs mix"),
        ("add `dims={'batch': (1, 512), 'time': 8}`", "add --dim batch=1..512 --dim time=8"),
        ("`batch=2` fixes it", "--batch 2 fixes it"),
        ("`allow_training=True` allows it", "--allow-training allows it"),
        ("set `preprocess.scale`", "set --input-scale"),
        ("`limit` and `overwrite`", "--samples and --force"),
        ("node `evaluated` and `x.y=z`", "node `evaluated` and `x.y=z`"),
    ],
)
def test_parameters_become_options(text: str, expected: str) -> None:
    assert with_flags(text, flags_of(get_command(app))) == expected
