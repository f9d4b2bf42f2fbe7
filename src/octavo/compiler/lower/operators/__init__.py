"""The lowerings, one file a family of ONNX operators; each file lists its own in `LOWERINGS`."""
