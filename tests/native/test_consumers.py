"""Programs that embed the runtime: strict C, C++ without exceptions, and both cross-compiled for aarch64."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.native_build import AARCH64, RELEASE, ROOT, Variant, built, digits_bundle
from tests.helpers.native_corpus import bundles

import octavo

pytestmark = pytest.mark.slow
LARGEST_LIBRARY = 1_000_000


@dataclass(frozen=True)
class Built:
    """The programs of a variant and the command that runs them."""

    variant: Variant
    nm: str = "nm"

    def run(self, program: str, *arguments: str | Path, isa: str = "") -> subprocess.CompletedProcess[str]:
        command = [*self.variant.prefix, built(self.variant, program), *arguments]
        environment = {**os.environ, "OCTAVO_ISA": isa}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(params=[Built(RELEASE), Built(AARCH64, "aarch64-linux-gnu-nm")], ids=["native", "crossed"])
def programs(request: pytest.FixtureRequest) -> Built:
    built_programs: Built = request.param
    return built_programs


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The digits model, and a bundle for every kind of operator."""
    folder = tmp_path_factory.mktemp("models")
    paths = {"digits": digits_bundle(folder, batch=1)}
    for name, content in bundles().items():
        path = folder / f"{name}.oct"
        path.write_bytes(content)
        # These programs do not resize models.
        if all(isinstance(dim, int) for spec in octavo.load(path).inputs for dim in spec.shape):
            paths[name] = path
    return paths


def inputs_of(path: Path) -> list[np.ndarray]:
    """Random inputs; floats within the range of a grid."""
    rng = np.random.default_rng(0)
    arrays = []
    for spec in octavo.load(path).inputs:
        if spec.dtype.kind == "f":
            arrays.append(rng.normal(size=spec.shape).astype(spec.dtype))
        else:
            arrays.append(rng.integers(0, 100, spec.shape).astype(spec.dtype))
    return arrays


def outputs_of(path: Path, inputs: list[np.ndarray]) -> bytes:
    outputs = octavo.load(path)(*inputs)
    return b"".join(output.tobytes() for output in (outputs if isinstance(outputs, tuple) else (outputs,)))


def outputs_from(
    programs: Built, program: str, path: Path, inputs: list[np.ndarray], folder: Path, isa: str = ""
) -> bytes:
    (folder / "inputs.raw").write_bytes(b"".join(array.tobytes() for array in inputs))
    completed = programs.run(program, path, folder / "inputs.raw", folder / "outputs.raw", isa=isa)
    assert (completed.returncode, completed.stderr) == (0, "")
    return (folder / "outputs.raw").read_bytes()


@pytest.mark.parametrize("program", ["outputs_octavo", "outputs_octavo_static"])
def test_strict_c_matches_python(programs: Built, program: str, models: dict[str, Path], tmp_path: Path) -> None:
    inputs = inputs_of(models["digits"])
    assert outputs_from(programs, program, models["digits"], inputs, tmp_path) == outputs_of(models["digits"], inputs)


def test_program_without_exceptions_opens_and_gets_errors(
    programs: Built, models: dict[str, Path], tmp_path: Path
) -> None:
    assert programs.run("without_exceptions", models["digits"]).stdout == "image\n"
    (tmp_path / "broken.oct").write_bytes(models["digits"].read_bytes()[:-64])
    completed = programs.run("without_exceptions", tmp_path / "broken.oct")
    assert (completed.returncode, completed.stdout) == (2, "the bundle is damaged: file size differs from the header\n")


@pytest.mark.parametrize("isa", ["scalar", "neon", "neon_dotprod", "neon_i8mm"])
def test_every_neon_level_matches_this_processor(isa: str, models: dict[str, Path], tmp_path: Path) -> None:
    for name, path in models.items():
        inputs = inputs_of(path)
        actual = outputs_from(Built(AARCH64), "outputs_octavo", path, inputs, tmp_path, isa)
        assert actual == outputs_of(path, inputs), name


def test_c_example_runs_on_aarch64(models: dict[str, Path], tmp_path: Path) -> None:
    (image,) = inputs_of(models["digits"])
    image.tofile(tmp_path / "image.raw")
    scores = octavo.load(models["digits"])(image)
    assert isinstance(scores, np.ndarray)
    for isa in ("neon", "neon_dotprod", "neon_i8mm"):
        completed = Built(AARCH64).run("classify", models["digits"], tmp_path / "image.raw", isa=isa)
        assert completed.stdout == f"{scores.argmax()} {scores.max():.6f}\n"


def test_library_is_small_and_exports_only_octavo_h(programs: Built) -> None:
    library = built(programs.variant, "octavo")
    assert library.stat().st_size <= LARGEST_LIBRARY
    listed = subprocess.run([programs.nm, "-D", "--defined-only", library], capture_output=True, text=True, check=True)
    shown = {line.split()[-1] for line in listed.stdout.splitlines()}
    header = (ROOT / "native" / "include" / "octavo.h").read_text(encoding="utf-8")
    assert shown == set(re.findall(r"^OCTAVO_API .*?(\w+)\(", header, re.MULTILINE))
