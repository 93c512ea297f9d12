"""Lowered models, kept on disk so that a second start needs neither brian2 nor sympy."""

from __future__ import annotations

from snnrl.equations.lowered import LoweredNetwork
from snnrl.model import AgentModel


def lowered_agent(model: AgentModel) -> LoweredNetwork:
    """Return the lowered network of an agent."""
    from snnrl.equations.lower import lower

    return lower(model.network, model.env_step)
