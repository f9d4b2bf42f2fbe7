"""Shared code of the rungs: run a model layer by layer, and compute the output error of one layer."""
