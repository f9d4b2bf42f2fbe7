"""The rungs, one a file, and their registry."""
