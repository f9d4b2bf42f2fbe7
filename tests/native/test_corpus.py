"""The seed corpus of the fuzzer (`make fuzz`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.helpers.native_corpus import bundles

import octavo
from octavo.compiler import read_bundle
from octavo.compiler.kinds import KINDS


def test_corpus_covers_every_operator() -> None:
    kinds = {operator.kind for content in bundles().values() for operator in read_bundle(content).operators}
    assert kinds == set(KINDS), "give the new kind a tiny model in tests/helpers/native_corpus.py"


def test_seeds_are_small_and_run(tmp_path: Path) -> None:
    for name, content in bundles().items():
        assert len(content) < 1 << 14, name
        (tmp_path / "m.oct").write_bytes(content)
        session = octavo.load(tmp_path / "m.oct")
        # Only a dynamic axis has a name.
        shapes = [[dim if isinstance(dim, int) else 3 for dim in spec.shape] for spec in session.inputs]
        session(*(np.zeros(shape, spec.dtype) for shape, spec in zip(shapes, session.inputs, strict=True)))
