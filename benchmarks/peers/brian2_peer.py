"""Brian2 C++ standalone: the network and the cart-pole itself written as Brian2 equations, one binary."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import brian2 as b2
import numpy as np

from benchmarks import workload as wl
from benchmarks.peers import brian2_equations as eq
from benchmarks.peers.interface import Measured, Regime

BLOCKS = 6
"""Blocks of `workload.RESTORE_EVERY` environment steps in one call of the binary (its length is compiled in)."""

STOPWATCH_START = "const auto stopwatch = std::chrono::steady_clock::now();"
STOPWATCH_STOP = """
{
    std::ofstream file("seconds.txt");
    file << std::chrono::duration<double>(std::chrono::steady_clock::now() - stopwatch).count();
}
"""


def _namespace() -> dict[str, Any]:
    """Return the constants of the equations."""
    return {
        "tau_membrane": wl.TAU_MEMBRANE * b2.ms,
        "tau_trace": wl.TAU_TRACE * b2.ms,
        "tau_eligibility": wl.TAU_ELIGIBILITY * b2.ms,
        "eligibility_decay": np.exp(-wl.DT / wl.TAU_ELIGIBILITY),
        "value_decay": np.exp(-wl.STEPS * wl.DT / wl.TAU_VALUE),
        "peak": wl.PEAK_RATE * wl.DT * 1e-3,
        "gain": wl.GAIN_BEFORE_DECAY,
        "learning_rate": wl.LEARNING_RATE * wl.DT,
        "discount": wl.DISCOUNT,
        "value_scale": wl.VALUE_SCALE,
        "failure_reward": wl.FAILURE_REWARD,
        "n_critic": wl.N_CRITIC,
        "max_steps": wl.MAX_EPISODE_STEPS,
        "w_min": wl.W_MIN,
        "w_max": wl.W_MAX,
    }


def _cart() -> b2.NeuronGroup:
    cart = b2.NeuronGroup(1, eq.CART_EQUATIONS, name="cart")
    cart.run_regularly(eq.ENVIRONMENT_STEP, dt=wl.STEPS * wl.DT * b2.ms, when="start", order=0)
    cart.run_regularly(eq.RESTORE_CART, dt=_block(), when="start", order=1)
    return cart


def _block() -> b2.Quantity:
    return wl.RESTORE_EVERY * wl.STEPS * wl.DT * b2.ms


def _inputs(cart: b2.NeuronGroup, style: eq.Style) -> b2.NeuronGroup:
    group = b2.NeuronGroup(
        wl.N_INPUTS,
        eq.INPUT_EQUATIONS + style.neuron_trace,
        threshold="rand() < probability",
        reset="spike_count += 1" + style.neuron_reset,
        method="exact",
        name="inputs",
    )
    group.centre = wl.cell_centres().ravel()
    group.width = np.repeat(wl.cell_widths(), wl.CELLS_PER_VARIABLE)
    for index, name in enumerate(("x", "x_dot", "theta", "theta_dot")):
        setattr(group, name, b2.linked_var(cart, name))
        setattr(group, f"of_{name}", np.repeat(np.arange(4) == index, wl.CELLS_PER_VARIABLE).astype(float))
    group.run_regularly(eq.ENCODE, dt=wl.STEPS * wl.DT * b2.ms, when="start", order=2)
    if style.neuron_restore:
        group.run_regularly(style.neuron_restore, dt=_block(), when="start", order=1)
    return group


def _outputs(style: eq.Style) -> b2.NeuronGroup:
    group = b2.NeuronGroup(
        wl.N_OUTPUTS,
        eq.OUTPUT_EQUATIONS + style.neuron_trace,
        threshold="v >= 1",
        reset="v = 0; spike_count += 1" + style.neuron_reset,
        refractory=wl.REFRACTORY * b2.ms,
        method="exact",
        name="outputs",
    )
    index = np.arange(wl.N_OUTPUTS)
    group.is_left = (index < wl.ACTION_GROUP).astype(float)
    group.is_right = ((index >= wl.ACTION_GROUP) & (index < 2 * wl.ACTION_GROUP)).astype(float)
    group.is_critic = (index >= wl.N_OUTPUTS - wl.N_CRITIC).astype(float)
    group.run_regularly("v = 0" + style.neuron_restore, dt=_block(), when="start", order=1)
    return group


def _plastic(
    cart: b2.NeuronGroup, inputs: b2.NeuronGroup, outputs: b2.NeuronGroup, seed: int, style: eq.Style
) -> b2.Synapses:
    synapses = b2.Synapses(
        inputs,
        outputs,
        style.equations + eq.SYNAPSE_EXTRAS,
        on_pre=style.on_pre,
        on_post=style.on_post,
        method="euler",
        name="plastic",
    )
    synapses.connect()
    synapses.td_error = b2.linked_var(cart, "td_error")
    synapses.w_start = wl.start_weights(seed).ravel()
    synapses.run_regularly(style.every_dt, when="end")
    synapses.w = "w_start"
    restore = f"{style.restore}; moved += abs(w - w_start); w = w_start"
    synapses.run_regularly(restore, dt=_block(), when="start", order=1)
    return synapses


class Brian2Runner:
    """One agent in one binary, timed inside it: neither its start nor its files count."""

    def __init__(self, seed: int, style: str) -> None:
        self.description = f"Brian2 {version('brian2')} C++ standalone ({style}), float64"
        text = eq.STYLES[style]
        folder = tempfile.mkdtemp(prefix="snnrl-brian2-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self._seconds_file = Path(folder) / "seconds.txt"
        b2.set_device("cpp_standalone", build_on_run=False, directory=folder)
        b2.prefs.codegen.cpp.headers += ["<chrono>"]
        b2.defaultclock.dt = wl.DT * b2.ms
        b2.seed(seed)
        cart = _cart()
        self._inputs = _inputs(cart, text)
        self._outputs = _outputs(text)
        self._plastic = _plastic(cart, self._inputs, self._outputs, seed, text)
        self._cart = cart
        counter = b2.Synapses(
            self._outputs,
            cart,
            on_pre="left_post += is_left_pre; right_post += is_right_pre; critic_spikes_post += is_critic_pre",
            name="counter",
        )
        counter.connect()
        network = b2.Network(cart, self._inputs, self._outputs, self._plastic, counter)
        b2.device.insert_code("before_network_run", STOPWATCH_START)
        b2.device.insert_code("after_network_run", STOPWATCH_STOP)
        network.run(BLOCKS * _block(), namespace=_namespace())
        b2.device.build(run=False, directory=folder)
        self._calls = 0

    def run(self, n_env_steps: int) -> Measured:
        """Run the binary often enough; every run does the same."""
        calls = -(-n_env_steps // (BLOCKS * wl.RESTORE_EVERY))
        seconds = 0.0
        for _ in range(calls):
            b2.device.run(with_output=False)
            seconds += float(self._seconds_file.read_text())
        self._calls += calls
        return Measured(seconds, calls * BLOCKS * wl.RESTORE_EVERY)

    def regime(self) -> Regime:
        """Return what happened in the last run of the binary, times the number of runs."""
        env_steps = BLOCKS * wl.RESTORE_EVERY
        seconds = env_steps * wl.STEPS * wl.DT * 1e-3
        change = np.abs(self._plastic.w[:] - self._plastic.w_start[:])
        return Regime(
            env_steps=self._calls * env_steps,
            episodes=self._calls * int(self._cart.episodes[0]),
            input_hz=float(np.mean(self._inputs.spike_count[:])) / seconds,
            output_hz=float(np.mean(self._outputs.spike_count[:])) / seconds,
            weight_change_mean=float(np.mean(self._plastic.moved[:] + change)) / BLOCKS,
            weight_change_max=float(change.max()),
        )


def build(seed: int, **options: str) -> Brian2Runner:
    """Build and compile the workload in Brian2; option ``style`` is a key of `brian2_equations.STYLES`."""
    return Brian2Runner(seed, options.get("style", "equations"))
