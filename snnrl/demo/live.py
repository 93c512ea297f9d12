"""`LiveAgent`: one agent on the fast engine, one environment step after the other, changed while it runs.

The agent loop is the package's own: a step is `FastSession.run` with a budget of one. What sliders change are the
arrays that the compiled kernel is handed at every call, so nothing is compiled and nothing restarts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.demo.messages import REMEMBERED, Books, Command
from snnrl.demo.rewards import RewardChoice, fitting_rewards
from snnrl.demo.scenes import RATE, SPEED, SPREAD, Slider, scene
from snnrl.demo.steps import Step
from snnrl.demo.synapses import PlasticSynapses
from snnrl.engines.books import Control, Counter
from snnrl.engines.fast.engine import FastSession
from snnrl.engines.fast.prepare import lowered_agent
from snnrl.engines.session import Stop
from snnrl.equations.statements import names_in
from snnrl.errors import InvalidValueError
from snnrl.model import AgentModel
from snnrl.training.build import build_model, stop_rule
from snnrl.training.config import TrainingConfig

ENDLESS = 2**40
"""More steps or episodes than anybody will watch."""
ROOM = 512
"""Episodes for which room is made in the books at a time."""


@dataclass(frozen=True)
class Start:
    """What a demo begins with; can be sent to another process.

    Parameters
    ----------
    scene
        Name of the scene.
    config
        The agent; its ``seed`` is the identity of the agent's devices.
    seed
        Of the noise and of the starts of the episodes.
    weights
        What was learned, by array name of the kernel; what is missing is as in a fresh agent.
    learning
        Whether plasticity is on at first.
    """

    scene: str
    config: TrainingConfig
    seed: int = 0
    weights: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    learning: bool = False


class LiveAgent:
    """One agent to watch.

    Without plasticity an episode goes on until it fails; while the agent learns, episodes are truncated as in training.

    Parameters
    ----------
    start
        What to begin with.

    Attributes
    ----------
    session
        The session, of one agent.
    learning
        Whether plasticity is on; with it comes the exploration current.
    sliders
        Where every slider stands, by name.

    Raises
    ------
    InvalidValueError
        If the weights are not those of such an agent.
    """

    def __init__(self, start: Start) -> None:
        self.start, self.scene, self.config = start, scene(start.scene), start.config
        self.task = self.config.make_task()
        own = self.config.make_reward()
        self.choice = RewardChoice(fitting_rewards(self.task, own), own.name)
        self.model = build_model(self.config)
        self.session = FastSession(
            self.model, self.task, self.choice.reward(), [self.config.seed], ROOM,
            watched=chosen_membranes(self.model),
        )  # fmt: skip
        self.session.common["reward_p"] = self.choice.p
        self._take(start.weights)
        self.synapses = PlasticSynapses(self.session)
        self.session.reseed([start.seed])
        self.session.state["counters"][0, Counter.RECORD_FROM] = -ENDLESS
        self.records = self.session.watch(2)  # a step after a truncation senses twice
        rule = stop_rule(self.config)
        self.stop = Stop(ENDLESS, rule.window, rule.threshold, ENDLESS)
        self.learning, self.best, self.kicks = start.learning, 0, 0
        self.nudges: list[tuple[int, float]] = []
        self.sliders = {slider.name: self._own_value(slider) for slider in self.moving()}

    def _take(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Put weights into the session, each ``[1, ...]`` by array name."""
        learned = self.session.learned()
        for name, values in weights.items():
            if name not in learned or learned[name].shape != np.shape(values):
                raise InvalidValueError("weights", f"{name} {np.shape(values)}", "those of this network")
            learned[name][:] = values

    # ------------------------------------------------------------------ sliders

    def moving(self) -> list[Slider]:
        """Return the sliders that this agent has a use for."""
        useless = set() if self.synapses.has_rate else {RATE}
        useless |= set() if self.config.synapse == "memristive" else {SPREAD}
        return [slider for slider in self.scene.all_sliders if slider.name not in useless]

    def _own_value(self, slider: Slider) -> float:
        """Return where a slider stands at first: at the agent's own value."""
        if slider.name == SPREAD:
            return self._own_spread
        return float(getattr(self.task, slider.name, slider.value))

    @property
    def _own_spread(self) -> float:
        """Spread of the devices as the agent learned with them, per cent."""
        return 100.0 * float(self.config.spread or 0.0)

    def set(self, name: str, value: float) -> None:
        """Move a slider; values beyond its ends are taken as its ends.

        Raises
        ------
        InvalidValueError
            If there is no such slider, or the value is no number.
        """
        slider = next((s for s in self.moving() if s.name == name), None)
        if slider is None:
            raise InvalidValueError("slider", name, ", ".join(s.name for s in self.moving()))
        if not np.isfinite(value):
            raise InvalidValueError(f"slider {name}", value, "a number")
        value = min(max(value, slider.low), slider.high)
        if name == RATE:
            self.synapses.scale_rate(value)
        elif name == SPREAD:
            self.synapses.redraw(lowered_agent(spread_model(self.config, value)), self.config.seed)
        elif name != SPEED:  # the pace is not the agent's
            self._set_task(name, value)
        self.sliders[name] = value

    def _set_task(self, field_name: str, value: float) -> None:
        self.task = dataclasses.replace(self.task, **{field_name: value})  # type: ignore[type-var]
        kernel = self.task.kernel()
        assert kernel is not None
        self.session.common["task_p"][:] = kernel.parameters

    # ------------------------------------------------------------------ commands

    def apply(self, command: Command) -> None:
        """Do what a command says, between two environment steps.

        Raises
        ------
        InvalidValueError
            For an unknown command, or a value that does not fit.
        """
        name, value = command.name, command.value
        if name == "nudge":
            self.nudge(command.target, _number(command))
        elif name == "set":
            self.set(command.target, _number(command))
        elif name == "learning":
            self.set_learning(bool(value))
        elif name == "reward":
            self.choice.choose(str(value))
        elif name == "reset":
            self._abandon_episode()
        elif name in ("forget", "restore"):
            self.start_over({} if name == "forget" else self.start.weights)
        else:
            known = "nudge, set, learning, reward, reset, forget, restore"
            raise InvalidValueError("command", name, known)

    def nudge(self, variable: str, amount: float) -> None:
        """Add to a state variable of the task, before the next step in which an episode is under way.

        Raises
        ------
        InvalidValueError
            If the task has no such variable.
        """
        if variable not in self.task.state_names:
            raise InvalidValueError("nudge", variable, ", ".join(self.task.state_names))
        self.nudges.append((self.task.state_names.index(variable), amount))
        self.kicks += 1

    def set_learning(self, learning: bool) -> None:
        """Switch plasticity on or off; learning begins with traces at rest."""
        if learning and not self.learning:
            self.session.restart_traces()
        self.learning = learning

    def _abandon_episode(self) -> None:
        """Let the next step begin an episode; the one under way is not booked."""
        self.session.state["counters"][0, [Counter.EPISODE_STEP, Counter.MODE]] = 0
        self.session.state["control"][0, Control.EPISODE_REWARD] = 0.0
        self.nudges.clear()

    def start_over(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Begin again as a fresh agent, with these weights, and with empty books; time goes on."""
        session = self.session
        session.kernel.fill_initial(session.state, np.array([self.config.seed]))
        self._take(weights)
        if self.sliders.get(SPREAD, self._own_spread) != self._own_spread:
            self.set(SPREAD, self.sliders[SPREAD])
        counters = session.state["counters"][0]
        counters[Counter.EPISODE], counters[Counter.SOLVED_AT], self.best = 0, -1, 0
        session.state["control"][0, Control.RECENT] = 0.0
        self._abandon_episode()
        self.synapses.map()  # what was written before does not count

    # ------------------------------------------------------------------ steps

    def step(self, show: bool = True) -> Step | None:
        """Take one environment step; return what there is to see of it, if it is to be shown."""
        session = self.session
        counters = session.state["counters"][0]
        self._do_nudges(counters)
        if show:
            counters[Counter.RECORD_FROM] = counters[Counter.DECISION]
            for record in self.records.values():
                record.fill(0)
        session.max_steps = self.task.max_steps if self.learning else ENDLESS
        session.run(1, self.stop, self.learning, float(self.learning or self.config.evaluation_exploration))
        decisions = int(counters[Counter.DECISION] - counters[Counter.RECORD_FROM])
        counters[Counter.RECORD_FROM] = -ENDLESS
        if counters[Counter.MODE]:
            self.best = max(self.best, int(counters[Counter.EPISODE_STEP]))
        if counters[Counter.EPISODE] + 2 >= session.state["lengths"].shape[1]:
            session.make_room(ROOM)
        return self._seen(decisions) if show else None

    def _do_nudges(self, counters: NDArray[np.int64]) -> None:
        """Change the world by what has been asked for, and let the agent see it."""
        if not self.nudges or counters[Counter.EPISODE_STEP] == 0 or counters[Counter.MODE]:
            return
        state, kernel = self.session.state, self.session.task_kernel
        assert kernel is not None
        for place, amount in self.nudges:
            state["world"][0, place] += amount
        kernel.observe(state["world"][0], state["observation"][0], self.session.common["task_p"])
        self.nudges.clear()

    def _seen(self, decisions: int) -> Step:
        """Copy what the kernel recorded of the last step."""
        session = self.session
        rows, dt_steps = decisions * session.network.env_steps, session.network.env_steps
        spikes, first = [], 0
        for population in session.kernel.populations:
            size = population.lowered.size
            at = np.flatnonzero(self.records[population.record][:rows])
            spikes.append((at // size, at % size + first))
            first += size
        times, neurons = (np.concatenate(parts) for parts in zip(*spikes, strict=True))
        curves = [self.records[p.curve][:rows, 0] for p in session.kernel.populations if p.curve]
        value, error, action, reward = self.records["trace"][decisions - 1, :4]
        critic = session.model.value is not None
        return Step(
            end=int(session.state["counters"][0, Counter.STEP]),
            dt_steps=rows if decisions else dt_steps,
            state=session.state["world"][0].astype(np.float32),
            numbers=(action, reward, value if critic else np.nan, error if critic else np.nan),
            ended=bool(session.state["counters"][0, Counter.MODE]),
            times=times,
            neurons=neurons,
            membranes=np.array(curves, dtype=np.float32).reshape(-1, rows).T,
        )

    # ------------------------------------------------------------------ books

    @property
    def env_step(self) -> float:
        """Simulated seconds per environment step."""
        return self.session.network.dt * self.session.network.env_steps

    def books(self, spikes: float, paused: bool) -> Books:
        """Return where the agent stands."""
        counters, control = self.session.state["counters"][0], self.session.state["control"][0]
        episode = int(counters[Counter.EPISODE])
        return Books(
            episode=episode,
            episode_step=int(counters[Counter.EPISODE_STEP]),
            last_length=int(self.session.state["lengths"][0, episode - 1]) if episode else 0,
            best_length=max(self.best, int(counters[Counter.EPISODE_STEP])),
            recent_length=float(control[Control.RECENT]),
            solved_at=int(counters[Counter.SOLVED_AT]),
            spikes=spikes,
            writes=self.synapses.writes(),
            learning=self.learning,
            paused=paused,
            reward=self.choice.chosen,
            sliders=dict(self.sliders),
            kicks=self.kicks,
            lengths=self.session.state["lengths"][0, max(0, episode - REMEMBERED) : episode].copy(),
        )


def chosen_membranes(model: AgentModel) -> dict[str, str]:
    """Return the variable that the threshold looks at, by population, for all populations that are read out."""
    network = lowered_agent(model)
    found = {}
    for name in dict.fromkeys(readout.population for readout in model.readouts):
        population = network.population(name)
        candidates = [v for v in population.variables if v in names_in(population.threshold)]
        if population.threshold and candidates:
            found[name] = candidates[0]
    return found


def spread_model(config: TrainingConfig, percent: float) -> AgentModel:
    """Return the agent with another device-to-device spread, in per cent."""
    return build_model(dataclasses.replace(config, spread=percent / 100.0))


def _number(command: Command) -> float:
    if isinstance(command.value, bool) or not isinstance(command.value, int | float):
        raise InvalidValueError(f"{command.name} {command.target}", command.value, "a number")
    return float(command.value)
