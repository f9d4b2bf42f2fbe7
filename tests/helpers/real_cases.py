"""Real models and data from the folder of cases; tests skip with the reason if they are absent."""

from __future__ import annotations

import warnings

import pytest
from benchmarks.cases import Case, folder, load

NAMES = ("resnet8_cifar10", "resnet20_cifar10", "dscnn_kws", "dscnn_kws_rescaled", "autoencoder_ad", "minilm_sts")


def real_case(name: str) -> Case:
    """Load a case, or skip the test."""
    cases_folder = folder(None)
    if cases_folder is None:
        pytest.skip("no folder of cases; name it with OCTAVO_CASES")
    try:
        with warnings.catch_warnings():
            # One case is exported when it is first loaded, and its exporter logs a lot.
            warnings.simplefilter("ignore")
            return load(cases_folder, name)
    except (ImportError, SystemExit) as error:
        pytest.skip(f"{name} cannot be loaded: {error}")
