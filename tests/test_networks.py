"""The networks of the benchmarks equal the published ones."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the networks need torch: pip install 'octavo[torch]'")

from benchmarks.networks import NETWORKS
from tests.helpers.models import Arrays

from octavo.engines.onnxruntime import Session

# Parameter counts of torchvision's resnet50 and mobilenet_v2, and of a BERT with six layers of width 384.
PARAMETERS = {"ResNet-50": 25_557_032, "MobileNetV2": 3_504_872, "MiniLM-L6": 6 * 1_774_464}


def test_each_has_the_parameters_of_the_published_one() -> None:
    counts = {name: sum(p.numel() for p in network.make().parameters()) for name, network in NETWORKS.items()}
    assert counts == PARAMETERS


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_bounded_and_depend_on_the_input(name: str) -> None:
    network = NETWORKS[name]
    model = network.model()
    tensors = [node.outputs[0].name or "" for node in model.graph]
    session = Session(model, outputs=tensors, threads=1)
    one, two = (outputs(session, network.samples(count)[:1]) for count in (2, 3))
    for tensor, array in one.items():
        assert np.isfinite(array).all(), tensor
        assert 1e-4 < np.abs(array).max() < 1e4, tensor
    last = tensors[-1]
    assert np.abs(one[last] - two[last]).max() > 0.01 * np.abs(one[last]).max()


def outputs(session: Session, sample: np.ndarray) -> Arrays:
    return session.run({session.inputs[0].name: sample})
