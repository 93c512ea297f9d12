"""Shared by the tests of model, equations and engines: small agents, and kernels run compiled or as plain Python."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from snnrl import networks, random, tasks
from snnrl.coding import SignedRate, SpikeCountAction
from snnrl.model import AgentModel, Network, Neurons, RewardBaseline, Synapses
from snnrl.networks.populations import current_driven_cells, lif_neurons
from snnrl.tasks import rewards

settings.register_profile("snnrl", deadline=None)  # no test is timed
settings.load_profile("snnrl")


@dataclasses.dataclass(frozen=True)
class ShortCartPole(tasks.CartPole):
    """Cart-pole that is truncated early, so that a few steps hold several kinds of episode end."""

    limit: int = 12

    @property
    def max_steps(self) -> int:
        """The early limit."""
        return self.limit


@pytest.fixture(autouse=True)
def _wide_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print tables in their full width, whatever the shell or another program's import has set."""
    monkeypatch.delenv("COLUMNS", raising=False)


def _interpreted_module(source: str) -> types.ModuleType:
    """Run the kernel's own text by Python instead of numba: no compilation, same statements."""
    module = types.ModuleType("interpreted_kernel")
    text = source.replace("from numba import njit", "njit = lambda **options: (lambda function: function)")
    assert text != source
    exec(compile(text, "<kernel>", "exec"), module.__dict__)  # noqa: S102  text of the package
    return module


@pytest.fixture(scope="session")
def interpreted_module() -> Callable[[str], types.ModuleType]:
    return _interpreted_module


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the kernels of this test as Python: for many models in little time."""
    from snnrl.engines.fast import engine

    monkeypatch.setattr(engine, "load_module", _interpreted_module)
    with np.errstate(over="ignore"):  # the counter-based numbers wrap around on purpose
        yield


SMALL: dict[str, Any] = {"cells_per_variable": 2, "critic_size": 4, "actor_size": 3}


@pytest.fixture(scope="session")
def short_cartpole() -> type[ShortCartPole]:
    return ShortCartPole


@pytest.fixture(scope="session")
def actor_critic() -> AgentModel:
    """Build the default agent, small: 16 place cells, 4 critic and 2 x 3 action neurons."""
    return networks.make("actor-critic", "td-ltp", **SMALL).build(tasks.CartPole())


@pytest.fixture(scope="session")
def session_of() -> Callable[..., Any]:
    """Make a `FastSession` on the short cart-pole."""

    def make(model: AgentModel, seeds: Any = (0,), episodes: int = 8, limit: int = 12, task: Any = None, force: float = 10.0,
             reward: str = "gaussian", **options: Any) -> Any:  # fmt: skip
        from snnrl.engines.fast.engine import FastSession

        task = ShortCartPole(limit=limit, force=force) if task is None else task
        return FastSession(model, task, rewards.make(reward).bind(task), seeds, episodes, **options)

    return make


@dataclasses.dataclass
class Episode:
    """What one episode of a `ReferenceLoop` was."""

    spikes: dict[str, np.ndarray]
    actions: list[int]
    gains: list[float]
    values: list[float]
    td_errors: list[float]


class ReferenceLoop:
    """A `ReferenceAgent` in the cart-pole, with the resets and rewards that the fast engine uses."""

    def __init__(self, session: Any, row: int = 0, learning: bool = True) -> None:
        from snnrl.engines.reference import ReferenceAgent

        self.session, self.seed = session, int(session.seeds[row])
        scale = 0.0 if session.task.solved_length is None else 1.0 / session.task.max_steps
        self.agent = ReferenceAgent(
            session.model, self.seed, learning, network=session.network, success_scale=scale
        )
        self.lengths: list[int] = []
        self.truncated: list[bool] = []

    def episode(self) -> Episode:
        """Run one episode."""
        task, agent, p = self.session.task, self.agent, self.session.task.kernel()
        uniforms = random.uniform(self.seed, random.stream_id("task/reset"), len(self.lengths), p.n_uniforms)
        state = np.zeros(p.state_size)
        p.reset(state, uniforms, p.parameters)
        record = float(np.mean(self.lengths[-20:])) if self.lengths else 0.0
        done, step = False, 0
        result = Episode({name: [] for name in agent.populations}, [], [], [], [])  # type: ignore[arg-type]
        agent.begin_episode()
        while not done:
            action, step = agent.decide(state), step + 1
            for name, spikes in result.spikes.items():
                spikes.append(agent.recent_spikes(name))
            result.values.append(agent.value)
            result.td_errors.append(agent.clock.signals["td_error"])
            before = state.copy()
            terminated = bool(p.step(state, action, p.parameters))
            gain = self.session.reward(before, state, terminated, step, record)
            truncated = step >= task.max_steps and not terminated
            agent.feedback(gain, terminated, truncated, state)
            result.actions.append(action)
            result.gains.append(gain)
            done = terminated or truncated
        self.lengths.append(step)
        self.truncated.append(truncated)
        result.spikes = {name: np.concatenate(spikes) for name, spikes in result.spikes.items()}
        return result


def _next_episode(session: Any, learning: bool = True) -> tuple[dict[str, np.ndarray], np.ndarray]:
    from snnrl.engines.books import Counter
    from snnrl.engines.session import Stop

    spikes, trace = session.record_episode(0, learning, 1.0)
    session.state["counters"][:, Counter.FINISHED] = 0
    session.run(10**6, Stop(int(session.episodes[0]) + 1), learning)
    return spikes, trace


@pytest.fixture(scope="session")
def next_episode() -> Callable[..., tuple[dict[str, np.ndarray], np.ndarray]]:
    """Record the next episode of a session's first agent, then really run it."""
    return _next_episode


RELATIVE = 1e-9
"""Agreement of weights: the lazy and windowed forms round differently from dense decay."""


def _weights_of(session: Any, loop: Any, row: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the learned variables of both, flat: ``{"group.variable": (fast, reference)}``."""
    found = {}
    for group in session.kernel.groups:
        for variable in group.lowered.weights:
            name = group.lowered.name
            fast = session.variable(name, variable)[row].ravel()
            found[f"{name}.{variable}"] = (fast, loop.agent.groups[name].values[variable])
    return found


def _assert_agreement(
    session: Any, episodes: int, learning: bool = True, certain: bool = True, most: int = 0
) -> None:
    """Run episodes in both and compare everything; unless not ``certain`` the model must spike and learn.

    With ``most``, goes on up to that many episodes until one was truncated and one terminated.
    """
    loop = ReferenceLoop(session, learning=learning)
    start = {name: fast.copy() for name, (fast, _) in _weights_of(session, loop).items()}
    total = dict.fromkeys(loop.agent.populations, 0)
    for episode in range(max(episodes, most)):
        if episode >= episodes and set(loop.truncated) == {True, False}:
            break
        spikes, trace = _next_episode(session, learning)
        expected = loop.episode()
        assert list(trace[:, 2]) == expected.actions, f"actions of episode {episode}"
        for name, raster in expected.spikes.items():
            different = np.argwhere(raster != spikes[name])
            assert different.size == 0, f"{name}: first different spike at (dt, neuron) {different[0]}"
            total[name] += int(raster.sum())
        np.testing.assert_allclose(trace[:, 3], expected.gains, rtol=1e-12)
        np.testing.assert_allclose(trace[:, 0], expected.values, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(trace[:, 1], expected.td_errors, rtol=1e-12, atol=1e-12)
        for name, (fast, reference) in _weights_of(session, loop).items():
            # A small weight may be what is left of larger ones; in a random model by much.
            scale = np.abs([reference, start[name]]).max(initial=0.0)
            bound = RELATIVE if certain else 10.0 * RELATIVE
            np.testing.assert_allclose(fast, reference, rtol=bound, atol=bound * scale, err_msg=name)
    assert session.state["lengths"][0, : len(loop.lengths)].tolist() == loop.lengths
    assert not most or set(loop.truncated) == {True, False}
    silent = [name for name, spikes in total.items() if not spikes]
    assert not (certain and silent), f"silent populations test nothing: {silent}"
    changed = {
        name
        for name, (fast, _) in _weights_of(session, loop).items()
        if not np.array_equal(fast, start[name])
    }
    assert bool(changed) == learning or not certain


@pytest.fixture(scope="session")
def assert_agreement() -> Callable[..., None]:
    return _assert_agreement


@pytest.fixture(scope="session")
def gadget() -> Callable[..., AgentModel]:
    """Make a minimal agent to hang extra populations and synapses on."""

    def make(neurons: Sequence[Neurons] = (), synapses: Sequence[Synapses] = (), **fields: Any) -> AgentModel:
        task = tasks.CartPole()
        actors = [lif_neurons(f"action_{k}", 3, 1.6, 0.1) for k in range(2)]
        drive = SignedRate("place", "drive", task.observation_scale, task.observation_bounded, 40.0)
        base = [
            Synapses(f"base_{k}", "place", f"action_{k}", "w : 1", on_pre="I_post += w", on_reward="w = w + 0.01*reward",
                     initial={"w": "0.3*rand()"})
            for k in range(2)
        ]  # fmt: skip
        network = Network((current_driven_cells("place", 8), *actors, *neurons), (*base, *synapses))
        options = {"signal": RewardBaseline(10.0), **fields}
        return AgentModel(network, drive, SpikeCountAction(("action_0", "action_1")), **options)

    return make


@pytest.fixture
def atari_student(tmp_path: Path) -> Callable[..., Path]:
    """Write a small untrained TrueNorth student of an Atari game, with actions that vary; return its file."""

    def write(game: str = "pong", n_actions: int = 6, seed: int = 1, **info: Any) -> Path:
        from snnrl.networks.truenorth import LayerSpec, StudentSpec, random_network
        from snnrl.networks.truenorth.packed_student import PackedStudent
        from snnrl.networks.truenorth.student_file import write_student
        from snnrl.networks.truenorth.vision import Vision

        rows = ((32, 8, 8, 0, 1), (64, 2, 2, 0, 1), (24, 2, 2, 0, 2), (48, 2, 1, 0, 1))
        spec = StudentSpec("small", tuple(LayerSpec(*row) for row in rows), channels=4, side=84)
        network = random_network(spec, n_actions, seed, signed_input=True)
        vision = Vision("differences", np.zeros((84, 84), np.uint8), spec.visible)
        path = tmp_path / f"{game}-{seed}.tn"
        write_student(PackedStudent(network, vision, {"game": game, **info}), path)
        return path

    return write
