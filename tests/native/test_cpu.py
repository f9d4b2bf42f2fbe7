"""Selection of the instruction set, and OCTAVO_ISA."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import octavo
from octavo.errors import OptionError
from octavo.native import kernels


def forced(isa: str) -> subprocess.CompletedProcess[str]:
    script = (
        "from octavo.errors import UserError\nfrom octavo.native import cpu\n"
        "try:\n    print(cpu().runs)\nexcept UserError as error:\n    raise SystemExit(str(error))\n"
    )
    environment = {**os.environ, "OCTAVO_ISA": isa}
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)


def test_best_supported_set_is_used(monkeypatch):
    monkeypatch.delenv("OCTAVO_ISA", raising=False)
    cpu = octavo.cpu()
    assert cpu.runs == cpu.available[-1]
    assert cpu.available[0] == "scalar"
    assert set(cpu.available) <= set(cpu.compiled)


@pytest.mark.parametrize("isa", octavo.cpu().available)
def test_environment_variable_selects_a_set(isa):
    assert forced(isa).stdout.strip() == isa == kernels(isa).name


def test_unknown_set_is_refused_in_one_sentence():
    completed = forced("mmx")
    assert completed.returncode != 0
    assert completed.stderr.startswith("OCTAVO_ISA: there is no instruction set 'mmx'; use one of scalar")
    assert len(completed.stderr.strip().splitlines()) == 1


def test_unsupported_set_is_refused_in_one_sentence():
    lacking = sorted(set(octavo.cpu().compiled) - set(octavo.cpu().available))
    if not lacking:
        pytest.skip("this processor has every instruction set that was compiled")
    with pytest.raises(OptionError, match=f"this processor has no {lacking[0]}; use one of scalar"):
        kernels(lacking[0])
