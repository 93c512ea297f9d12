"""Measurements of snnrl beside its peers; run as modules from the root of the repository."""
