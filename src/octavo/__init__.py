"""Post-training quantization: an FP32 model and a little data in, a verified INT8 model out."""
