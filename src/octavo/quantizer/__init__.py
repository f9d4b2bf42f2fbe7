"""Plain quantization: plan, calibrate, ranges, parameters, constants, proof."""
