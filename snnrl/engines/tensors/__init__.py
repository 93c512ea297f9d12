"""Lowered statements on torch tensors, for the engines that are built on torch; without any loop over time."""
