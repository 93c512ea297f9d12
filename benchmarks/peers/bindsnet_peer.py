"""BindsNET: a real `Network` with its own MSTDPET rule, in closed loop with CartPole-v1.

BindsNET's batch has one set of weights for all agents: with many agents their updates are averaged, although
each brings its own TD error. That is less work than weights of one's own would be.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import torch
from bindsnet.learning import MSTDPET
from bindsnet.network import Network
from bindsnet.network.monitors import Monitor
from bindsnet.network.nodes import Input, LIFNodes
from bindsnet.network.topology import Connection

from benchmarks import workload as wl
from benchmarks.peers.closed_loop import IntArray, LoopRunner
from benchmarks.peers.torch_tools import Encoder, OnDevice, change, group_counts, prepare


def _connection(source: Input, target: LIFNodes, w: torch.Tensor, size: wl.Size, learns: bool) -> Connection:
    # BindsNET has no gain between weight and membrane, so its weights are gain * w. That scales the
    # bounds and the learning rate too; MSTDPET divides the eligibility by its time constant.
    gain = size.gain
    rule: dict[str, Any] = {
        "update_rule": MSTDPET,
        "nu": gain * wl.LEARNING_RATE * wl.TAU_ELIGIBILITY,
        "reduction": torch.mean if size.agents > 1 else None,
        "tc_plus": wl.TAU_TRACE,
        "tc_minus": wl.TAU_TRACE,
        "tc_e_trace": wl.TAU_ELIGIBILITY,
        "zero_lag": True,
    }
    bounds = {"wmin": gain * wl.W_MIN, "wmax": gain * wl.W_MAX}
    return Connection(source, target, w=w, **bounds, **(rule if learns else {}))


def _network(size: wl.Size, w: torch.Tensor, learns: bool) -> tuple[Network, Connection, Monitor]:
    """Return the network, its plastic connection and the recorder of its output spikes."""
    network = Network(dt=wl.DT, batch_size=size.agents, learning=learns)
    source = Input(n=size.n_inputs)
    target = LIFNodes(
        n=size.n_outputs, thresh=1.0, rest=0.0, reset=0.0, refrac=int(wl.REFRACTORY), tc_decay=wl.TAU_MEMBRANE
    )
    connection = _connection(source, target, w, size, learns)
    monitor = Monitor(target, state_vars=("s",), time=wl.STEPS, batch_size=size.agents)
    network.add_layer(source, name="input")
    network.add_layer(target, name="output")
    network.add_connection(connection, source="input", target="output")
    network.add_monitor(monitor, name="output")
    return network, connection, monitor


class BindsnetRunner(OnDevice, LoopRunner):
    """The cart-pole and the TD error are Python around `Network.run`."""

    def __init__(self, size: wl.Size, seed: int, learns: bool, device: str) -> None:
        super().__init__(size, seed)
        prepare(seed)
        rule = "MSTDPET" if learns else "forward"
        self.description = f"BindsNET {version('bindsnet')} {rule}, float32"
        self._encode = Encoder(size, device)
        self.device = device
        w = wl.Size(scale=size.scale).start_weights(seed)[0]
        network = _network(size, torch.as_tensor(size.gain * w, dtype=torch.float32), learns)
        self._network, self._connection, self._monitor = network
        self._network.to(device)
        self._start: torch.Tensor = self._connection.w.detach().clone()

    def restore(self) -> None:
        """Put weights, traces and membranes back to the start."""
        with torch.inference_mode():
            self._connection.w.copy_(self._start)
            self._network.reset_state_variables()
            for name in ("p_plus", "p_minus", "eligibility", "eligibility_trace"):
                if hasattr(self._connection.update_rule, name):
                    getattr(self._connection.update_rule, name).zero_()

    def advance(self) -> tuple[IntArray, torch.Tensor]:
        """One call of `Network.run` with the TD error of the step before as the reward."""
        with torch.inference_mode():
            spikes = self._encode(self.loop.observation)
            self._network.run({"input": spikes}, time=wl.STEPS, reward=self._reward())
            counts = self._monitor.get("s").sum(0)
            return group_counts(counts, self.size), spikes.sum()

    def _reward(self) -> float | torch.Tensor:
        """Return a number for one agent, else [agents, 1, 1], which meets the eligibility of each agent."""
        if self.size.agents == 1:
            return float(self.loop.td_error[0])
        return torch.as_tensor(self.loop.td_error, dtype=torch.float32, device=self.device)[:, None, None]

    def change(self) -> tuple[float, float]:
        """Return the weight change in units of w."""
        return change(self._connection.w, self._start, self.size.gain)


def build(seed: int, **options: str) -> BindsnetRunner:
    """Build the workload in BindsNET.

    Options: those of `workload.Size`; ``rule`` none leaves out the plasticity; ``device`` is cpu or cuda.
    """
    learns = options.get("rule") != "none"
    return BindsnetRunner(wl.Size.of(options), seed, learns, options.get("device", "cpu"))
