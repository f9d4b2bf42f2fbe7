"""Operating-system services: atomic file writes, functions imported by name, progress."""
