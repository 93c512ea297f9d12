"""The meaning of a model in plain, dense NumPy: what every engine is held against."""

from snnrl.engines.reference.agent import ReferenceAgent

__all__ = ["ReferenceAgent"]
