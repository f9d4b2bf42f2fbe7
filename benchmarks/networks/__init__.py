"""Networks of real size, of random weights that stay in range: for speed, which does not ask what they have learned."""

from __future__ import annotations

from benchmarks.networks.minilm import MINILM
from benchmarks.networks.mobilenetv2 import MOBILENETV2
from benchmarks.networks.network import Network
from benchmarks.networks.resnet50 import RESNET50

NETWORKS = {network.name: network for network in (RESNET50, MOBILENETV2, MINILM)}

__all__ = ["NETWORKS", "Network"]
