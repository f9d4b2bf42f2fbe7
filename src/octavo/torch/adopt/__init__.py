"""Read models that PyTorch quantized, and verify the result against them."""

from octavo.torch.adopt.pt2e import from_pt2e
from octavo.torch.adopt.quantized import from_quantized
from octavo.torch.adopt.state_dict import from_state_dict
from octavo.torch.adopt.verify import Agreement, verify

__all__ = ["Agreement", "from_pt2e", "from_quantized", "from_state_dict", "verify"]
