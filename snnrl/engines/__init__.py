"""Engines: interchangeable ways to run one model. `fast` is the default."""
