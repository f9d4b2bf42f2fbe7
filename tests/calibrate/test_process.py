"""Separate processes: killed and interrupted in the middle of a pass, and their memory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.helpers.command_line import DIGITS, UNTIMED, contents, only_sentence, process
from tests.helpers.models import build, node, random

pytestmark = pytest.mark.slow

COMMAND = ("quantize", "digits.onnx", "-c", "calib.npz", "-t", UNTIMED, "--batch-size", "1", "--threads", "1")
CHECKPOINT = ".out.onnx.checkpoint"
PATIENCE = 300
POLLS = 30_000  # of 10 ms each, at least

# Slow enough that a pass takes several checkpoint intervals on any machine. Restores the SIGINT handler, because a
# background shell makes its children ignore SIGINT.
SLOWLY = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from octavo.engines.onnxruntime import Session
run = Session.run
Session.run = lambda self, feeds: (time.sleep(0.15), run(self, feeds))[1]
from octavo.cli import main
main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The digits model and data, and the model that an uninterrupted run writes."""
    for name in ("digits.onnx", "calib.npz"):
        shutil.copy(DIGITS / name, tmp_path / name)
    result = process(*COMMAND, "-o", "whole.onnx", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    return tmp_path


@contextmanager
def slow_run(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The command line in a separate process, slowed down; killed at the end if it still runs."""
    command = [sys.executable, "-c", SLOWLY, *COMMAND, "-o", "out.onnx"]
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def wait_for(child: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    """Poll until `happened()`; fails if the run ends before."""
    for _ in range(POLLS):
        if happened():
            return
        assert child.poll() is None, child.communicate()
        time.sleep(0.01)
    pytest.fail("the run made no progress")


def samples_in(checkpoint: Path) -> int:
    """The number of samples in a checkpoint; 0 if there is none."""
    if not checkpoint.exists():
        return 0
    with zipfile.ZipFile(checkpoint) as archive:
        return len(archive.read("hashes")) // 8


def finish(folder: Path) -> None:
    """Run the same command to its end; the files must equal those of an uninterrupted run."""
    result = process(*COMMAND, "-o", "out.onnx", cwd=folder)
    assert (result.code, result.err) == (0, "")
    assert (folder / "out.onnx").read_bytes() == (folder / "whole.onnx").read_bytes()
    assert set(contents(folder)) == {"digits.onnx", "calib.npz", "whole.onnx", "out.onnx"}


def test_a_process_killed_twice_resumes(folder: Path) -> None:
    checkpoint, observed_samples = folder / CHECKPOINT, 0
    for _ in range(2):
        with slow_run(folder) as child:
            before = observed_samples
            wait_for(child, lambda before=before: samples_in(checkpoint) > before)
            os.kill(child.pid, signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
        observed_samples = samples_in(checkpoint)
        assert before < observed_samples < 60
        assert not (folder / "out.onnx").exists()
    finish(folder)


def test_ctrl_c_ends_with_one_line_and_leaves_only_the_checkpoint(folder: Path) -> None:
    before = contents(folder)
    with slow_run(folder) as child:
        wait_for(child, (folder / CHECKPOINT).exists)
        at_least = samples_in(folder / CHECKPOINT)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=PATIENCE)
    assert (child.returncode, out) == (130, "")
    assert only_sentence(err).startswith("interrupted; run the same command again")
    after = contents(folder)
    assert after.keys() - before.keys() == {CHECKPOINT}
    assert {name: after[name] for name in before} == before
    assert at_least <= samples_in(folder / CHECKPOINT) < 60
    finish(folder)


MEASURED = """
import sys
import numpy as np
import octavo
from octavo.data import Preprocess

def generated(count):
    rng = np.random.default_rng(0)
    for _ in range(count // 10):
        yield rng.normal(size=(10, 3, 64, 64)).astype(np.float32)

source = sys.argv[1] if sys.argv[1].endswith(".npy") else generated(int(sys.argv[1]))
result = octavo.quantize("model.onnx", source, "octavo", preprocess=Preprocess(scale=1 / 255), threads=1)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(result.calibration_samples, int(status["VmHWM"].split()[0]) * 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("kind", ["file", "generator"])
def test_memory_does_not_grow_with_the_number_of_samples(kind: str, tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w1"], "c", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "w2"], "d", pads=[1, 1, 1, 1]),
        node("Relu", ["d"], "e"),
        node("GlobalAveragePool", ["e"], "y"),
    ]
    weights = {"w1": random(16, 3, 3, 3), "w2": random(24, 16, 3, 3)}
    shapes: dict[str, list[int | str | None]] = {"x": ["N", 3, 64, 64], "y": ["N", 24, 1, 1]}
    onnx.save(build(nodes, {"x": shapes["x"]}, {"y": shapes["y"]}, weights), tmp_path / "model.onnx")
    peaks = {count: peak(tmp_path, kind, count) for count in (300, 3000)}
    assert peaks[3000] < 1.1 * peaks[300]


def peak(folder: Path, kind: str, count: int) -> int:
    """The peak memory in bytes of a process that quantizes with `count` samples."""
    if kind == "file":
        images = np.random.default_rng(0).integers(0, 256, (count, 3, 64, 64), np.uint8)
        np.save(folder / f"{count}.npy", images)
    source = f"{count}.npy" if kind == "file" else str(count)
    command = [sys.executable, "-c", MEASURED, source]
    completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert completed.returncode == 0, completed.stderr
    samples, most = map(int, completed.stdout.split())
    assert samples == count
    return most
