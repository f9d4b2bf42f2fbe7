"""Without a compiler, `pip install` passes on the one-sentence error of CMake."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.helpers.native_build import CMAKE, ROOT


def test_missing_compiler_is_reported_in_one_sentence(tmp_path: Path) -> None:
    command = [*CMAKE, "-S", ROOT / "native", "-B", tmp_path, "-DSKBUILD=ON"]
    environment = {**os.environ, "CXX": "no-such-compiler"}
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert completed.returncode != 0
    _, _, message = completed.stderr.partition("(message):")
    sentence = "Octavo's native core needs a C++20 compiler, and none was found: install g++ or clang."
    assert " ".join(message.split()) == sentence
