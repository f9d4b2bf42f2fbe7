"""A ladder that is killed and interrupted at random moments goes on behind its last finished rung."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Attempts, and the longest as a share of the time of an uninterrupted climb.
KILLS, SHARE = 20, 0.15

# Forks a process for every attempt, so that modules are imported once. A rung that begins and a rung that is stored
# write a line each.
CLIMB = """
import json, os, random, signal, sys, time
from pathlib import Path

import octavo
from octavo.recover import LadderCheckpoint, Rung

digits, folder, kills, share = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
log = folder / "log.txt"
log.touch()


def note(line):
    with log.open("a") as file:
        file.write(line + "\\n")


apply, save = Rung.apply, LadderCheckpoint.save


def noted_apply(self, *arguments):
    note(f"begin {self.name}")
    return apply(self, *arguments)


def noted_save(self, place, finished):
    save(self, place, finished)
    note(f"stored {finished.step.rung}")


Rung.apply, LadderCheckpoint.save = noted_apply, noted_save


def climb(checkpoint, output):
    result = octavo.quantize(
        digits / "digits.onnx", digits / "calib.npz", "octavo", evaluate=digits / "eval.npz", weight_bits=4,
        rungs="search,equalize,correct,round", threads=1, verify=False, checkpoint=checkpoint,
    )
    result.save(output, overwrite=True)


def attempt(checkpoint, output, seconds=None, number=0):
    child = os.fork()
    if child == 0:
        try:
            climb(checkpoint, output)
            os._exit(0)
        except KeyboardInterrupt:
            os._exit(130)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL if number % 2 else signal.SIGINT)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


began = time.perf_counter()
codes = [attempt(None, folder / "once.onnx")]
seconds = (time.perf_counter() - began) * share
log.write_text("")
random.seed(0)
for number in range(kills):
    codes.append(attempt(folder / "state", folder / "resumed.onnx", random.uniform(0, seconds), number))
    note(f"ended {codes[-1]}")
codes.append(attempt(folder / "state", folder / "resumed.onnx"))
print(json.dumps({"codes": codes, "log": log.read_text().splitlines()}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes")
def test_finished_rungs_are_not_begun_again_and_the_bytes_are_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CLIMB, str(ROOT / "examples/digits"), str(tmp_path), str(KILLS), str(SHARE)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    outcome = json.loads(done.stdout.splitlines()[-1])
    first, *ended, last = outcome["codes"]
    assert first == last == 0
    assert set(ended) <= {-9, 130, 0}
    assert sum(code != 0 for code in ended) > KILLS // 2, "hardly any attempt was ended"
    stored: set[str] = set()
    for line in outcome["log"]:
        what, _, rung = line.partition(" ")
        assert not (what == "begin" and rung in stored), f"{rung} was begun again: {outcome['log']}"
        if what == "stored":
            stored.add(rung)
        elif line == "ended 0":
            # A finished climb removes what it stored.
            stored.clear()
    assert (tmp_path / "resumed.onnx").read_bytes() == (tmp_path / "once.onnx").read_bytes()
