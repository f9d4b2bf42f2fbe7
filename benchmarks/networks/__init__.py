"""Full-size networks with random weights that keep activations in range: for latency, which needs no training."""

from __future__ import annotations

from benchmarks.networks.minilm import MINILM
from benchmarks.networks.mobilenetv2 import MOBILENETV2
from benchmarks.networks.network import Network
from benchmarks.networks.resnet50 import RESNET50

NETWORKS = {network.name: network for network in (RESNET50, MOBILENETV2, MINILM)}

__all__ = ["NETWORKS", "Network"]
