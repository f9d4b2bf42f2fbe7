"""The real models and data beside the checkout, for tests that skip, saying why, where they are absent."""

from __future__ import annotations

import warnings

import pytest
from benchmarks.cases import Case, folder, load

NAMES = ("resnet8_cifar10", "resnet20_cifar10", "dscnn_kws", "dscnn_kws_rescaled", "autoencoder_ad", "minilm_sts")


def real_case(name: str) -> Case:
    """A case, or a skip."""
    place = folder(None)
    if place is None:
        pytest.skip("no folder of cases; name it with OCTAVO_CASES")
    try:
        with warnings.catch_warnings():
            # One case is exported when it is first loaded, of which its exporter has much to say.
            warnings.simplefilter("ignore")
            return load(place, name)
    except (ImportError, SystemExit) as error:
        pytest.skip(f"{name} cannot be loaded: {error}")
