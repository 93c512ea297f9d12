"""BindsNET: a real `Network` with its own MSTDPET rule, in closed loop with Gymnasium's CartPole-v1."""

from __future__ import annotations

import math
import time
from importlib.metadata import version
from typing import Any

import gymnasium
import numpy as np
import torch
from bindsnet.learning import MSTDPET
from bindsnet.network import Network
from bindsnet.network.monitors import Monitor
from bindsnet.network.nodes import Input, LIFNodes
from bindsnet.network.topology import Connection

from benchmarks import workload as wl
from benchmarks.peers.interface import Measured, Regime


def _network(seed: int) -> tuple[Network, Connection, Monitor]:
    """Return the network, its plastic connection and the recorder of its output spikes."""
    network = Network(dt=wl.DT, learning=True)
    source = Input(n=wl.N_INPUTS)
    target = LIFNodes(
        n=wl.N_OUTPUTS, thresh=1.0, rest=0.0, reset=0.0, refrac=int(wl.REFRACTORY), tc_decay=wl.TAU_MEMBRANE
    )
    # BindsNET has no gain between weight and membrane, so its weights are GAIN * w. That scales the
    # bounds and the learning rate too; MSTDPET divides the eligibility by its time constant.
    connection = Connection(
        source,
        target,
        w=torch.as_tensor(wl.GAIN * wl.start_weights(seed), dtype=torch.float32),
        wmin=wl.GAIN * wl.W_MIN,
        wmax=wl.GAIN * wl.W_MAX,
        update_rule=MSTDPET,
        nu=wl.GAIN * wl.LEARNING_RATE * wl.TAU_ELIGIBILITY,
        tc_plus=wl.TAU_TRACE,
        tc_minus=wl.TAU_TRACE,
        tc_e_trace=wl.TAU_ELIGIBILITY,
        zero_lag=True,
    )
    monitor = Monitor(target, state_vars=("s",), time=wl.STEPS)
    network.add_layer(source, name="input")
    network.add_layer(target, name="output")
    network.add_connection(connection, source="input", target="output")
    network.add_monitor(monitor, name="output")
    return network, connection, monitor


class BindsnetRunner:
    """One agent; the cart-pole and the TD error are Python around `Network.run`."""

    def __init__(self, seed: int) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        self.description = f"BindsNET {version('bindsnet')} MSTDPET, float32"
        self._network, self._connection, self._monitor = _network(seed)
        self._start: torch.Tensor = self._connection.w.clone()
        self._env: gymnasium.Env[Any, Any] = gymnasium.make("CartPole-v1")
        self._centres = wl.cell_centres()
        self._scale = 1.0 / wl.cell_widths()[:, None]
        self._peak = wl.PEAK_RATE * wl.DT * 1e-3
        self._value_decay = math.exp(-wl.STEPS * wl.DT / wl.TAU_VALUE)
        self._observation, _ = self._env.reset(seed=seed)
        self._steps = self._episodes = 0
        # A tensor: a Python number would make every in-place sum wait for its value.
        self._spikes_in = torch.zeros((), dtype=torch.int64)
        self._spikes_out = 0
        self._moved = 0.0
        self._restore()

    def _restore(self) -> None:
        """Put weights, traces, membranes and the environment back to the start."""
        self._connection.w.copy_(self._start)
        self._network.reset_state_variables()
        for name in ("p_plus", "p_minus", "eligibility", "eligibility_trace"):
            if hasattr(self._connection.update_rule, name):
                getattr(self._connection.update_rule, name).zero_()
        self._observation, _ = self._env.reset()
        self._critic = self._value = self._td_error = 0.0

    def _encode(self) -> torch.Tensor:
        """Return input spikes of one environment step, shape [STEPS, 1, N_INPUTS]."""
        z = (self._observation[:, None] - self._centres) * self._scale
        probability = torch.from_numpy((self._peak * np.exp(-0.5 * z * z)).astype(np.float32).ravel())
        return torch.rand(wl.STEPS, 1, wl.N_INPUTS) < probability

    def _env_step(self) -> None:
        spikes = self._encode()
        self._network.run({"input": spikes}, time=wl.STEPS, reward=self._td_error)
        counts = self._monitor.get("s").sum((0, 1)).numpy()
        left, right = counts[: wl.ACTION_GROUP].sum(), counts[wl.ACTION_GROUP : 2 * wl.ACTION_GROUP].sum()
        action = self._steps & 1 if left == right else int(right > left)
        self._observation, _, terminated, truncated, _ = self._env.step(action)
        critic = int(counts[wl.N_OUTPUTS - wl.N_CRITIC :].sum())
        self._critic = self._critic * self._value_decay + critic / wl.N_CRITIC
        value = 0.0 if terminated else wl.VALUE_SCALE * self._critic
        reward = wl.FAILURE_REWARD if terminated else 0.0
        self._td_error = reward + wl.DISCOUNT * value - self._value
        self._value = value
        if terminated or truncated:
            self._episodes += 1
            self._observation, _ = self._env.reset()
        self._steps += 1
        self._spikes_in += spikes.sum()
        self._spikes_out += int(left + right) + critic

    def run(self, n_env_steps: int) -> Measured:
        """Advance by ``n_env_steps``."""
        seconds = 0.0
        with torch.inference_mode():
            for _ in range(n_env_steps // wl.RESTORE_EVERY):
                self._restore()
                start = time.perf_counter()
                for _ in range(wl.RESTORE_EVERY):
                    self._env_step()
                seconds += time.perf_counter() - start
                self._moved += float(self._change().mean())
        return Measured(seconds, n_env_steps)

    def _change(self) -> torch.Tensor:
        """Return how far each weight is from its start, in units of w, shape [N_INPUTS, N_OUTPUTS]."""
        change: torch.Tensor = (self._connection.w - self._start).abs() / wl.GAIN
        return change

    def regime(self) -> Regime:
        """Return what happened in all runs since the build."""
        neuron_seconds = self._steps * wl.STEPS * wl.DT * 1e-3
        return Regime(
            env_steps=self._steps,
            episodes=self._episodes,
            input_hz=int(self._spikes_in) / (neuron_seconds * wl.N_INPUTS),
            output_hz=self._spikes_out / (neuron_seconds * wl.N_OUTPUTS),
            weight_change_mean=self._moved / (self._steps // wl.RESTORE_EVERY),
            weight_change_max=float(self._change().max()),
        )


def build(seed: int, **options: str) -> BindsnetRunner:
    """Build the workload in BindsNET (it takes no options)."""
    return BindsnetRunner(seed)
