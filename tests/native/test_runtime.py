"""The C interface: the example, allocation-free runs, threads, and untrusted bundles."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.helpers.native_build import RACES, RELEASE, ROOT, SANITIZED, built, digits_bundle, encoder_bundle
from tests.helpers.qdq import Qdq

import octavo
from octavo.affine import UINT8, QuantParams
from octavo.compiler import compile_model
from octavo.compiler.bundle import with_checksum
from octavo.errors import OptionError

pytestmark = pytest.mark.slow
WIDE = 600


@pytest.fixture(scope="module")
def wide_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Large enough that operators are parallelized."""
    return digits_bundle(tmp_path_factory.mktemp("wide"), WIDE)


@pytest.fixture(scope="module")
def long_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Quantize, a function on the grid, dequantize, of many elements."""
    model = Qdq()
    params = QuantParams(UINT8, np.float32(0.01), np.int32(0))
    real = model.dequantized(model.quantized(model.input("x", ("length",)), params), params)
    table = model.quantized(model.node("Sigmoid", [real], "s"), params)
    model.result(model.dequantized(table, params), "float32")
    path = tmp_path_factory.mktemp("long") / "long.oct"
    path.write_bytes(compile_model(ir.from_proto(model.proto()), dims={"length": (1, 200_000)}))
    return path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encoder_bundle(tmp_path_factory.mktemp("encoder"))


class BundleProgram:
    """The sanitized program that opens and runs a bundle."""

    def __init__(self, executable: Path) -> None:
        environment = {"ASAN_OPTIONS": "allocator_may_return_null=1"}
        self.process = subprocess.Popen([executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def outcome(self, content: bytes) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(struct.pack("<I", len(content)) + content)
        self.process.stdin.flush()
        answer = self.process.stdout.readline().decode()
        assert answer.endswith("\n"), "the process ended; its stderr says why"
        return answer.strip()


@pytest.fixture(scope="module")
def opener() -> Iterator[BundleProgram]:
    program = BundleProgram(built(SANITIZED, "octavo_hostile"))
    yield program
    assert program.process.stdin is not None
    program.process.stdin.close()
    assert program.process.wait() == 0
    assert program.process.stdout is not None
    program.process.stdout.close()


def test_valid_bundle_runs_under_sanitizers(opener: BundleProgram, bundle: Path, encoder: Path) -> None:
    assert opener.outcome(bundle.read_bytes()) == "ran"
    assert opener.outcome(encoder.read_bytes()) == "ran"


def test_truncated_bundle_is_refused(opener: BundleProgram, bundle: Path) -> None:
    content = bundle.read_bytes()
    for end in range(0, len(content), 64):
        assert opener.outcome(content[:end]).startswith("refused: ")
    assert opener.outcome(content[:4] + struct.pack("<I", 1) + content[8:]).startswith(
        "refused: the bundle has version 1"
    )
    assert opener.outcome(b"GGUF" + content[4:]).startswith("refused: not a bundle")


def test_flipped_bit_is_detected(opener: BundleProgram, bundle: Path) -> None:
    content = bytearray(bundle.read_bytes())
    for at in np.random.default_rng(0).integers(0, len(content) * 8, 50):
        content[at // 8] ^= 1 << at % 8
        assert opener.outcome(bytes(content)).startswith("refused: ")
        content[at // 8] ^= 1 << at % 8


def test_corrupted_size_tables_are_refused_or_harmless(opener: BundleProgram, bundle: Path) -> None:
    """Every number of the two tables of dynamic sizes, replaced one at a time."""
    content = bundle.read_bytes()
    for header_at, record in ((32 + 8 * 16, 16), (32 + 9 * 16, 88)):
        table, count = struct.unpack_from("<QQ", content, header_at)
        assert count > 0
        for at in range(table, table + min(count, 12) * record, 4):
            for value in (0, 1, 3, 2**16, 2**31 - 1, 2**32 - 1):
                changed = content[:at] + struct.pack("<I", value) + content[at + 4 :]
                answer = opener.outcome(with_checksum(changed))
                assert answer == "ran" or answer.startswith("refused: ")


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_corrupted_tables_are_refused_or_harmless(
    opener: BundleProgram, bundle: Path, encoder: Path, data: st.DataObject
) -> None:
    """Flipped bits and replaced numbers everywhere but in the constants, with a valid checksum."""
    content = bytearray(data.draw(st.sampled_from([bundle, encoder])).read_bytes())
    tables, payload = struct.unpack_from("<QQ", content, 32 + 7 * 16)
    for _ in range(data.draw(st.integers(1, 3))):
        first, last = data.draw(st.sampled_from([(0, tables), (tables + payload, len(content))]))
        at = data.draw(st.integers(first, last - 8))
        if data.draw(st.booleans()):
            content[at] ^= 1 << data.draw(st.integers(0, 7))
        else:
            at -= at % 4
            value = data.draw(st.sampled_from([0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1]))
            content[at : at + 4] = struct.pack("<I", value)
    answer = opener.outcome(with_checksum(bytes(content)))
    assert answer == "ran" or answer.startswith("refused: ")


def test_runs_do_not_allocate(long_bundle: Path, encoder: Path) -> None:
    program = built(RELEASE, "octavo_allocations")
    for arguments in ((long_bundle, "1"), (long_bundle, "3"), (encoder, "2", "fixed")):
        completed = subprocess.run([program, *arguments], capture_output=True, text=True, check=True)
        at_opening, at_first, when_known = (int(count) for count in completed.stdout.split())
        assert at_opening > 0
        assert at_first > 0 or "fixed" in arguments
        assert when_known == 0


def test_threads_do_not_race(bundle: Path, long_bundle: Path) -> None:
    """Jobs, multi-threaded sessions in several threads, and a fork, under the thread sanitizer."""
    program = built(RACES, "octavo_threads")
    environment = {"TSAN_OPTIONS": "die_after_fork=0"}
    for path in (bundle, long_bundle):
        completed = subprocess.run([program, path], env=environment, capture_output=True, text=True, check=False)
        assert (completed.returncode, completed.stderr) == (0, "")


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_results_do_not_depend_on_threads(wide_bundle: Path, threads: int) -> None:
    with np.load(ROOT / "examples" / "digits" / "eval.npz") as file:
        images = file["image"][:WIDE]
    single, multiple = octavo.load(wide_bundle), octavo.load(wide_bundle, threads=threads)
    assert multiple.memory_bytes > single.memory_bytes
    for _ in range(5):  # until the workers are awake
        multiple(-images)
    np.testing.assert_array_equal(multiple(images), single(images))


def test_invalid_number_of_threads_is_refused(bundle: Path) -> None:
    for threads in (0, -1, 257):
        with pytest.raises(OptionError, match="choose 1 to 256"):
            octavo.load(bundle, threads=threads)


def test_c_example_recognizes_a_digit(bundle: Path, tmp_path: Path) -> None:
    with np.load(ROOT / "examples" / "digits" / "eval.npz") as file:
        image = file["image"][:1]
    image.tofile(tmp_path / "image.raw")
    expected = octavo.load(bundle)(image)
    program = built(RELEASE, "classify")
    completed = subprocess.run([program, bundle, tmp_path / "image.raw"], capture_output=True, text=True, check=True)
    assert int(completed.stdout.split()[0]) == expected.argmax()
    missing = subprocess.run([program, "none.oct", "image.raw"], capture_output=True, text=True, check=False)
    assert (missing.returncode, missing.stderr) == (2, "none.oct cannot be opened: No such file or directory\n")
