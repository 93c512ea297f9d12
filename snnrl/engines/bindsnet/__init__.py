"""Engine ``bindsnet``: a model as a real `bindsnet.network.Network`, see docs/bindsnet.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snnrl.engines.bindsnet.simulator import BindsnetSimulator

if TYPE_CHECKING:
    from snnrl.engines.bindsnet.pipeline import PipelineAgent

__all__ = ["BindsnetSimulator", "PipelineAgent"]


def __getattr__(name: str) -> Any:
    """Import `PipelineAgent`, and with it BindsNET's pipelines and plots, when it is asked for."""
    if name == "PipelineAgent":
        from snnrl.engines.bindsnet.pipeline import PipelineAgent

        return PipelineAgent
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
