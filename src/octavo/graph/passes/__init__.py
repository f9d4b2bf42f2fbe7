"""Rewrites of a float model that change nothing it computes; each is one file and a line in `prepare`."""
