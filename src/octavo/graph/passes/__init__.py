"""Graph passes: one pass a file, each an `onnx_ir.passes` pass whose result says whether it modified the model.

Those that `octavo.graph.prepare` runs rewrite a float model without changing the function it computes.
"""
