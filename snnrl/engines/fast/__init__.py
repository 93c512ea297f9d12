"""The `fast` engine: the whole closed loop of a model in one generated, compiled kernel."""
