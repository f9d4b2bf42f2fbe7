"""The main job: options, prepared model, state, measurements, result."""
