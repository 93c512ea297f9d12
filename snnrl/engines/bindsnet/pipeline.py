"""A model in BindsNET's `EnvironmentPipeline`: encoding, action and reward, made from the model's own.

The pipeline acts before it looks: after a reset it drops the first observation, takes an action that no spike asked for,
and runs the network on what came of it, reward included. That action is part of the reset here: the reward that comes
with it is dropped, as an agent that has just begun has done nothing to be judged for. From then on the order is that of
docs/architecture.md: an observation and the reward of the action before it run the network, and the learning signals are
formed at the end of the environment step.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from bindsnet.environment import Environment
from bindsnet.network.nodes import AbstractInput
from bindsnet.pipeline import EnvironmentPipeline
from numpy.typing import NDArray
from torch import Tensor

from snnrl.engines.bindsnet.schedule import RewardMonitor
from snnrl.engines.bindsnet.simulator import BindsnetSimulator
from snnrl.engines.books import Control, Counter
from snnrl.engines.session import Stop
from snnrl.engines.stepped import AgentLoop, SteppedSession
from snnrl.errors import InvalidValueError, UnsupportedError
from snnrl.model import AgentModel
from snnrl.tasks import Task, rewards


class _PipelineSession(SteppedSession):
    """One agent whose encoder's population is an input layer of BindsNET."""

    def _simulator(self, seeds: NDArray[np.int64]) -> BindsnetSimulator:
        encoder = self.model.encoder
        encoded = {encoder.population: encoder.variable}
        return BindsnetSimulator(self.network, seeds, self.dtype, (), encoded=encoded, **self.options)


class PipelineAgent(RewardMonitor):
    """One agent as BindsNET's pipelines want it: an encoding, an action function, and a network that learns.

    Parameters
    ----------
    model
        The agent.
    task
        What it acts in; gives `environment`, and fits the model's observation and actions.
    seed
        Seed of all random numbers.
    episodes
        Most episodes that will be run; the books have room for so many.
    reward
        Name of the reward function of `environment`; a pipeline with another environment brings its own reward.
    learning
        Whether plasticity is on.
    dtype, device
        See `BindsnetSimulator`.

    Attributes
    ----------
    network
        The `bindsnet.network.Network`.
    simulator
        The network's `BindsnetSimulator`.
    environment
        The task as an environment of BindsNET's, which tells the agent a failure from a time limit.

    Raises
    ------
    UnsupportedError
        If dt is not 1 ms.
    """

    def __init__(self, model: AgentModel, task: Task, seed: int = 0, episodes: int = 1000, reward: str = "environment",
                 learning: bool = True, dtype: str = "float64", device: str = "cpu") -> None:  # fmt: skip
        bound = rewards.make(reward).bind(task)
        self.session = _PipelineSession(
            "bindsnet", model, task, bound, [seed], episodes, dtype, device=device
        )
        (simulator,) = self.session.simulators
        assert isinstance(simulator, BindsnetSimulator)
        super().__init__(simulator)
        if simulator.schedule.dt_ms != 1.0:
            raise UnsupportedError(
                "bindsnet", f"Network.dt = {simulator.schedule.dt_ms:g} ms in an EnvironmentPipeline",
                "it takes time in ms and inputs in dt for the same number", "a network with dt='1*ms', or snnrl.train",
            )  # fmt: skip
        self.network = simulator.bindsnet_network
        self.network.train(learning)
        self.network.add_monitor(self, RewardMonitor.NAME)
        self.loop = AgentLoop(self.session, simulator, slice(0, 1), Stop(episodes + 1), learning)
        self.environment = TaskEnvironment(self)
        self._only = np.ones(1, dtype=bool)
        self._first, self._terminated = True, False
        self._inputs = [
            name for name, layer in self.network.layers.items() if isinstance(layer, AbstractInput)
        ]
        self._waiting: list[str] = []
        self._given: dict[str, Tensor] = {}

    def pipeline(self, environment: Environment | None = None, **options: Any) -> EnvironmentPipeline:
        """Return BindsNET's `EnvironmentPipeline` of this agent; ``options`` are the pipeline's own."""
        usual = {
            "time": self.simulator.clock.env_steps,
            "num_episodes": len(self.session.state["lengths"][0]),
            "allow_gpu": self.simulator.device.type == "cuda",
            "random_action_after": float("inf"),  # the pipeline would break up a long run of one action
        }
        return EnvironmentPipeline(self.network, self.environment if environment is None else environment,
                                   action_function=self.act, encoding=self.encode, **{**usual, **options})  # fmt: skip

    def encode(self, observation: Tensor, time: int, **kwargs: Any) -> Tensor:
        """Encode an observation for the network's input layers: what the pipeline calls its ``encoding``.

        The pipeline calls it once for each of them, in the order of the layers, and does not say for which.

        Returns
        -------
        Tensor
            ``[time, 1, neurons]``: the encoder's numbers for the encoder's population; spikes for an `Input`.
        """
        steps = self.simulator.clock.env_steps
        if time != steps:
            raise InvalidValueError(
                "EnvironmentPipeline.time", time, f"{steps}, the dt of an environment step"
            )
        if not self._waiting:
            self._waiting = list(self._inputs)
            self._given = self._encoded(observation)
        return self._given[self._waiting.pop(0)]

    def _encoded(self, observation: Tensor) -> dict[str, Tensor]:
        """Return what all input layers are given in the next environment step."""
        encoder, simulator = self.session.model.encoder, self.simulator
        self.session.state["observation"][0] = observation.reshape(-1).cpu().numpy()
        self.loop.encode(self._only)
        codes = simulator.populations[encoder.population].values[encoder.variable]
        return {
            encoder.population: codes.expand(simulator.clock.env_steps, *codes.shape),
            **simulator.inputs(),
        }

    def act(self, pipeline: EnvironmentPipeline | None = None, **kwargs: Any) -> int:
        """Choose an action from the spikes of the last environment step: the pipeline's ``action_function``."""
        self.loop.decode(self._only)
        return int(self.loop.actions[0])

    def judge(self, reward: Any) -> None:
        """Take the reward of the last action, form the learning signals and let the network learn."""
        loop, state, time_constant = self.loop, self.session.state, self.session.time_constant
        loop.learning = self.network.learning
        loop.note_advance(self._only)
        over = self._terminated and not self._first
        if not self._first:
            gains, ended, not_ended = np.array([float(reward)]), np.array([over]), np.zeros(1, dtype=bool)
            self.session.module.take_all(self._only, gains, ended, not_ended, loop.learning, time_constant,
                                         state["counters"], state["control"])  # fmt: skip
        self._first = False
        loop.learn(self._only, np.zeros(1) if over else loop.value(), terminal=over)

    def note_end(self, terminated: bool) -> None:
        """Take note whether the last action ended the task for good: nothing follows, the value is 0."""
        self._terminated = terminated

    def close_episode(self) -> None:
        """Close the books of an episode, if one was begun."""
        counters, room = self.session.state["counters"][0], self.session.state["lengths"].shape[1]
        if counters[Counter.EPISODE_STEP]:
            if counters[Counter.EPISODE] >= room:
                raise InvalidValueError(
                    "PipelineAgent.episodes", room, "as many as the pipeline runs, or more"
                )
            self.loop.end(self._only)

    def reset_state_variables(self) -> None:
        """Begin an episode."""
        self.close_episode()
        books = [Control.VALUE, Control.LAST_REWARD, Control.LAST_REWARD_ERROR]
        self.session.state["control"][:, books] = 0.0
        self._first, self._terminated = True, False
        self._waiting.clear()


class TaskEnvironment(Environment):  # type: ignore[misc]  # bindsnet has no type hints
    """A task with its reward function, as BindsNET's pipelines want an environment; see `PipelineAgent`."""

    def __init__(self, agent: PipelineAgent) -> None:
        self.agent, self.world = agent, agent.session.world
        self.action_space = gymnasium.spaces.Discrete(agent.session.task.n_actions)
        self._only, self._steps = np.ones(1, dtype=bool), 0

    def reset(self, seed: int | None = None) -> Tensor:
        """Begin an episode, drawn from the agent's seed and the number of the episode."""
        self.agent.close_episode()  # the pipeline resets the network only after the environment
        self._steps = 0
        self.world.reset(self._only)
        return self._observation()

    def _observation(self) -> Tensor:
        return torch.from_numpy(self.agent.session.state["observation"].copy())

    def step(self, a: Any) -> tuple[Tensor, float, bool, dict[str, Any]]:
        """Take an action; returns observation ``[1, variables]``, reward, whether the episode is over, and nothing."""
        gains, terminated, truncated = self.world.step(self._only, np.array([int(a)]))
        self.agent.session.check_errors()
        self._steps += 1
        fell = bool(terminated[0])
        over = fell or bool(truncated[0]) or self._steps >= self.agent.session.task.max_steps
        self.agent.note_end(fell)
        return self._observation(), float(gains[0]), over, {"terminated": fell}

    def render(self) -> None:
        """Do nothing: `snnrl demo` draws."""

    def close(self) -> None:
        """Close what is open."""
        self.world.close()

    def preprocess(self) -> None:
        """Do nothing: observations are encoded as they are."""
