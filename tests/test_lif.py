"""The equations against closed forms: firing rate, membrane, order of convergence, stationary noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

from snnrl.equations.lower import lower
from snnrl.equations.statements import evaluate
from snnrl.errors import ModelError
from snnrl.model import Network, Neurons
from snnrl.networks.populations import lif_neurons

TAU = 0.01


def trajectory(neurons: Neurons, dt: float, steps: int, **start: Any) -> dict[str, np.ndarray]:
    """Run the lowered update statements: every variable after 0, 1, ... ``steps`` dt."""
    lowered = lower(Network((neurons,), dt=f"{dt!r}*second")).neurons[0]
    values: dict[str, Any] = {v: start.get(v, lowered.initial[v]) for v in lowered.variables}
    seen = {v: [values[v]] for v in lowered.variables}
    for _ in range(steps):
        names = {**lowered.constants, **values, "dt": dt}
        for statement in lowered.update:
            names[statement.target] = evaluate(statement.expression, names)
        values = {v: names[v] for v in lowered.variables}
        for v, value in values.items():
            seen[v].append(value)
    return {v: np.array(x) for v, x in seen.items()}


# ---------------------------------------------------------------------- membrane


@pytest.mark.parametrize("dt", [1e-3, 1e-4])
def test_membrane_under_a_constant_current(dt: float) -> None:
    """``u(t) = b + (u0 - b) exp(-t/tau)``."""
    cell = Neurons(
        "cell", 1, "du/dt = (b - u)/tau : 1", method="exact", parameters={"tau": "10*ms", "b": 0.8}
    )
    steps = round(0.05 / dt)
    t = dt * np.arange(steps + 1)
    np.testing.assert_allclose(
        trajectory(cell, dt, steps, u=-0.3)["u"], 0.8 - 1.1 * np.exp(-t / TAU), rtol=1e-12, atol=1e-13
    )


def test_membrane_after_one_synaptic_event() -> None:
    """Exponential current of time constant tau_s: a difference of exponentials."""
    cell = Neurons("cell", 1, "du/dt = (I - u)/tau_m : 1\ndI/dt = -I/tau_s : 1", method="exact",
                   parameters={"tau_m": "10*ms", "tau_s": "5*ms"})  # fmt: skip
    t = 1e-3 * np.arange(101)
    closed = 0.005 / (0.005 - 0.01) * (np.exp(-t / 0.005) - np.exp(-t / 0.01)) * 1.7
    np.testing.assert_allclose(trajectory(cell, 1e-3, 100, I=1.7)["u"], closed, rtol=1e-10, atol=1e-13)


def test_membrane_in_the_compiled_order_of_an_environment_step(
    gadget: Any, session_of: Any, interpreted: None
) -> None:
    """The same closed form read from a session at the end of environment steps."""
    from snnrl.engines.session import Stop

    cell = Neurons("cell", 2, "b : 1 (constant)\ndu/dt = (b - u)/tau : 1", method="exact",
                   parameters={"tau": "30*ms", "b": [0.5, 2.0]})  # fmt: skip
    session = session_of(gadget([cell]), seeds=[1], limit=12)
    for step in range(1, 5):
        session.run(1, Stop(9))
        expected = np.array([0.5, 2.0]) * (1 - np.exp(-0.02 * step / 0.03))
        np.testing.assert_allclose(session.variable("cell", "u")[0], expected, rtol=1e-12)


# ---------------------------------------------------------------------- firing rate

CURRENTS = np.array([0.5, 0.999, 1.02, 1.1, 1.5, 2.0, 3.0, 6.0, 20.0])
DT, REFRACTORY = 1e-4, 0.002


@pytest.fixture(scope="module")
def spike_trains(gadget: Any, session_of: Any, interpreted_module: Any) -> np.ndarray:
    """Spikes of noise-free cells under constant currents, ``[dt, cell]``, 0.4 s at dt = 0.1 ms."""
    import dataclasses

    from snnrl.engines.fast import engine

    cell = Neurons("cell", CURRENTS.size, "b : 1 (constant)\ndu/dt = (b - u)/tau : 1 (unless refractory)", "u >= 1", "u = 0",
                   f"{REFRACTORY!r}*second", "exact", parameters={"tau": "10*ms", "b": CURRENTS})  # fmt: skip
    model = gadget([cell])
    model = dataclasses.replace(model, network=dataclasses.replace(model.network, dt="0.1*ms"))
    with pytest.MonkeyPatch.context() as patch, np.errstate(over="ignore"):
        patch.setattr(engine, "load_module", interpreted_module)
        spikes = [
            session_of(model, seeds=[seed], limit=20).record_episode(0, True, 1.0)[0]["cell"]
            for seed in (0, 1)
        ]
    longest: np.ndarray = max(spikes, key=len)
    assert len(longest) >= 0.15 / DT
    return longest


def test_firing_rate_is_the_closed_form(spike_trains: np.ndarray) -> None:
    """Period ``refractory + tau ln(b/(b - 1))``; on a grid of dt a period is at most one dt off."""
    for b, train in zip(CURRENTS, spike_trains.T, strict=True):
        times = np.flatnonzero(train) * DT
        if b <= 1.0:
            assert times.size == 0
            continue
        closed = REFRACTORY + TAU * np.log(b / (b - 1.0))
        periods = np.diff(times)
        assert periods.size >= 2, b
        assert np.abs(periods - closed).max() <= DT * (1 + 1e-9), b
        assert np.ptp(periods) < 1e-9, "without noise every period is the same"


def test_spike_times_are_those_of_the_grid(spike_trains: np.ndarray) -> None:
    """From rest the first spike is in the first dt at whose end u has passed 1; then every k + refractory - 1 dt."""
    for b, train in zip(CURRENTS, spike_trains.T, strict=True):
        if b <= 1.0:
            continue
        climb = int(np.ceil(TAU * np.log(b / (b - 1.0)) / DT - 1e-9))
        period = climb + round(REFRACTORY / DT) - 1
        np.testing.assert_array_equal(np.flatnonzero(train), np.arange(climb - 1, len(train), period))


# ---------------------------------------------------------------------- methods

#: A damped oscillator: smooth, linear, with a known solution.
OSCILLATOR = "dx/dt = (y - x)/tau : 1\ndy/dt = (-x - 0.5*y)/tau : 1"
MATRIX = np.array([[-1.0, 1.0], [-1.0, -0.5]])
ORDERS = {"euler": 1, "exponential_euler": 1, "rk2": 2, "rk4": 4}


def error(method: str, steps: int, equations: str = OSCILLATOR) -> float:
    """Error after two time constants in ``steps`` steps, from (1, 0.5)."""
    cell = Neurons("cell", 1, equations, method=method, parameters={"tau": "10*ms"})
    end = trajectory(cell, 2 * TAU / steps, steps, x=1.0, y=0.5)
    found = np.array([end["x"][-1], end["y"][-1]])
    return float(np.abs(found - expm(2.0 * MATRIX) @ [1.0, 0.5]).max())


@pytest.mark.parametrize(("method", "order"), ORDERS.items())
def test_order_of_convergence(method: str, order: int) -> None:
    """Slope of log error against log dt, over a factor of 8 in dt."""
    steps = np.array([20, 40, 80, 160])
    errors = [error(method, int(n)) for n in steps]
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(order, abs=0.1)


def test_exact_has_no_error_at_any_step() -> None:
    cell = Neurons("cell", 1, "dx/dt = (y - x)/tau : 1\ndy/dt = (0.5*x - 2*y)/tau : 1", method="exact",
                   parameters={"tau": "10*ms"})  # fmt: skip
    expected = expm(2.0 * np.array([[-1.0, 1.0], [0.5, -2.0]])) @ [1.0, 0.5]
    for steps in (1, 3, 50):
        end = trajectory(cell, 2 * TAU / steps, steps, x=1.0, y=0.5)
        np.testing.assert_allclose([end["x"][-1], end["y"][-1]], expected, rtol=1e-12)


def test_exact_does_not_take_the_imaginary_unit_for_the_current() -> None:
    """An undamped oscillator has imaginary eigenvalues; sympy's I is not the variable I."""
    cell = Neurons(
        "cell", 1, "dI/dt = u/tau : 1\ndu/dt = -I/tau : 1", method="exact", parameters={"tau": "10*ms"}
    )
    found = trajectory(cell, 0.004, 10, I=1.0, u=0.0)["I"]
    np.testing.assert_allclose(found, np.cos(0.4 * np.arange(11)), rtol=1e-11)


def test_exact_solves_the_damped_oscillator() -> None:
    end = trajectory(
        Neurons("cell", 1, OSCILLATOR, method="exact", parameters={"tau": "10*ms"}), 0.02, 1, x=1.0, y=0.5
    )
    np.testing.assert_allclose([end["x"][-1], end["y"][-1]], expm(2.0 * MATRIX) @ [1.0, 0.5], rtol=1e-12)


def test_exact_refuses_what_has_no_real_form() -> None:
    """With k > 0 the symbols give ``sqrt(-k)``, which is not a number."""
    cell = Neurons(
        "cell",
        1,
        "dx/dt = y/tau : 1\ndy/dt = -k*x/tau : 1",
        method="exact",
        parameters={"tau": "10*ms", "k": 1.5},
    )
    with pytest.raises(ModelError, match="'exact' has no solution in real numbers for 'x'"):
        trajectory(cell, 0.004, 1)


def test_exact_covers_systems_with_a_singular_matrix() -> None:
    """``dx/dt = y/tau, dy/dt = -y/tau``: the total never decays, and Brian2's own updater declines."""
    end = trajectory(
        Neurons("cell", 1, "dx/dt = y/tau : 1\ndy/dt = -y/tau : 1", method="exact", parameters={"tau": "10*ms"}),
        0.004, 5, x=0.25, y=2.0,
    )  # fmt: skip
    t = 0.004 * np.arange(6)
    np.testing.assert_allclose(end["y"], 2.0 * np.exp(-t / TAU), rtol=1e-12)
    np.testing.assert_allclose(end["x"], 0.25 + 2.0 * (1 - np.exp(-t / TAU)), rtol=1e-12)


def test_a_nonlinear_cell_converges_to_its_closed_form() -> None:
    """``du/dt = (1 - u^2)/tau`` from 0 is ``tanh(t/tau)``."""
    cell = Neurons("cell", 1, "du/dt = (1 - u**2)/tau : 1", method="rk4", parameters={"tau": "10*ms"})
    u = trajectory(cell, 5e-4, 60, u=0.0)["u"]
    np.testing.assert_allclose(u, np.tanh(5e-4 * np.arange(61) / TAU), atol=1e-7)


# ---------------------------------------------------------------------- noise


def test_membrane_noise_has_the_stated_size(gadget: Any, session_of: Any, interpreted: None) -> None:
    """White noise alone: a standard deviation of ``noise``, times 1/sqrt(1 - dt/2tau) by Euler's step."""
    import dataclasses

    from snnrl.engines.session import Stop

    noisy = lif_neurons("cell", 800, 0.0, 0.2)
    noisy = dataclasses.replace(noisy, threshold="", reset="", refractory="0*ms")
    session = session_of(gadget([noisy]), seeds=[1], limit=12)
    session.run(5, Stop(2))
    u = session.variable("cell", "u")[0]
    expected = 0.2 / np.sqrt(1 - 0.1 / 2)
    assert u.std() == pytest.approx(expected, rel=4 / np.sqrt(2 * u.size))
    assert abs(u.mean()) < 4 * expected / np.sqrt(u.size)
