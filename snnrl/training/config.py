"""What a training run is asked to do: one frozen, json-able set of options.

The command line and ``snnrl.train(...)`` both build a `TrainingConfig`, so a bad value gives the same
message in both. Only light modules are imported here: the names of tasks, rewards and devices are looked up
when a config is built.
"""

from __future__ import annotations

import dataclasses
import json
import math
import operator
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, SupportsFloat

from snnrl.errors import InvalidValueError, UnknownNameError

if TYPE_CHECKING:
    from snnrl.networks.crossbar import CrossbarActorCritic
    from snnrl.networks.dense_options import DenseOptions
    from snnrl.plasticity.devices import Device
    from snnrl.tasks import Task
    from snnrl.tasks.rewards import Reward

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]

CROSSBAR = "crossbar"
DENSE = "dense"
"""The networks that do not spike."""
TRUENORTH = "truenorth"
"""Students for a TrueNorth chip; their teachers learn as dense networks do."""
SRM0 = "srm0-actor-critic"
NETWORKS = ("actor-critic", "reward-modulated", SRM0, CROSSBAR, DENSE, TRUENORTH)
SPIKING_RULES = ("td-ltp", "r-stdp", "policy-gradient")
SRM0_RULES = ("td-ltp",)
CROSSBAR_RULES = ("exact", "manhattan", "variable-amplitude")
DENSE_RULES = ("vpg", "a2c", "ppo", "dqn")
PLASTICITIES = (*SPIKING_RULES, *CROSSBAR_RULES, *DENSE_RULES)
SYNAPSES = ("ideal", "memristive")
ENGINES = ("fast", "torch", "bindsnet", "brian2")
DTYPES = ("float64", "float32")

CHOICES = {
    "network": NETWORKS,
    "plasticity": PLASTICITIES,
    "synapse": SYNAPSES,
    "engine": ENGINES,
    "dtype": DTYPES,
}
"""Options that take one name out of a fixed set."""

LEAST = {"seeds": 1, "seed": 0, "episodes": 1, "evaluation_episodes": 0, "threads": 1, "solve_window": 1,
         "consolidation": 0}  # fmt: skip
"""Smallest value of the options that are whole numbers."""

DEFAULT_DEVICE = "vteam"
DEFAULT_SPREAD = 0.3
DEFAULT_REWARDS = {"actor-critic": "gaussian", "reward-modulated": "progress", SRM0: "survival", CROSSBAR: "failure",
                   DENSE: "environment", TRUENORTH: "environment"}  # fmt: skip
"""By network: without a critic only a reward that grades every push carries a signal."""
DEFAULT_CONSOLIDATION = {"vpg": 300}
"""By rule: a policy that solves the task while it explores is not yet sure of itself in every state."""
CROSSBAR_DEVICE = "al2o3"
SRM0_LEAVES: dict[str, Json] = {"synapse": "ideal"}
CROSSBAR_LEAVES: dict[str, Json] = {"engine": "fast", "dtype": "float64", "engine_parameters": {},
                                    "synapse_parameters": {}, "model": None}  # fmt: skip
DENSE_LEAVES: dict[str, Json] = {"synapse": "ideal", **CROSSBAR_LEAVES}
"""Options that have no meaning for such networks, and the one value they may have there."""


@dataclass(frozen=True)
class TrainingConfig:
    """Options of one training run.

    Options that default to None are filled in when the config is built, except `threads`.

    Parameters
    ----------
    task
        Name of a task, see `snnrl.tasks.make`.
    task_parameters
        Fields of the task that differ from its defaults.
    network, synapse
        Names out of `NETWORKS` and `SYNAPSES`.
    plasticity
        One of `SPIKING_RULES`, by default the first; for crossbar networks one of `CROSSBAR_RULES`, by default the
        first with ideal and the last with memristive synapses; for dense networks, and for the teachers of students for
        a TrueNorth chip, the algorithm, one of `DENSE_RULES`, by default the first.
    device
        Memristive device, see `snnrl.plasticity.devices.make`; only with ``synapse="memristive"``, where the
        default is `DEFAULT_DEVICE`, and `CROSSBAR_DEVICE` for crossbar networks.
    spread
        Relative device-to-device spread of thresholds and rates, 0 <= spread < 1; only with
        ``synapse="memristive"``, where the default is `DEFAULT_SPREAD`, and 0 where the parameter ``thresholds``
        of the device says how they are drawn.
    device_parameters
        Fields of the device that differ from its preset, see `snnrl.plasticity`.
    reward
        Name of a reward function, see `snnrl.tasks.rewards.make`; by default that of `DEFAULT_REWARDS` where the task
        has the variables it reads, and the environment's own reward elsewhere.
    reward_parameters
        Parameters of the reward that differ from its defaults.
    network_parameters
        Fields of the network that differ from its defaults, see `snnrl.networks`; for crossbar networks from those
        of `snnrl.networks.crossbar_presets`; for dense networks and teachers those of `snnrl.networks.dense_options`.
    synapse_parameters
        ``layout`` (``pair`` or ``offset``) and fields of `snnrl.plasticity.MemristivePair` or `MemristiveOffset`
        that differ from their defaults, such as ``waveform_steps``;
        only with ``synapse="memristive"``.
    seeds, seed
        Number of independent agents, and the seed of the first; the others follow in steps of one.
    episodes
        Most episodes an agent may learn for; it stops earlier when it has solved the task.
    evaluation_episodes
        Episodes per agent with plasticity off after learning; 0 leaves the evaluation out.
    engine, dtype
        Names out of `ENGINES` and `DTYPES`.
    engine_parameters
        What the engine can be told, see `snnrl.engines.registry.ENGINES`: ``target`` of brian2 (numpy, cython or
        standalone), ``device`` of torch and bindsnet, ...
    threads
        Number of threads, None for one per core. Never changes a number in the result.
    solve_threshold
        The task is solved by the first `solve_window` consecutive episodes whose mean length (steps)
        reaches this; a negative one is a return at a cost of 1 per step: minus the mean length has to reach it. The
        default is the task's own, which may be None: no such criterion.
    solve_window
        Episodes in that mean.
    consolidation
        Episodes an agent goes on learning for after it has solved the task; by default that of
        `DEFAULT_CONSOLIDATION`, else 0.
    model
        An agent of one's own as JSON (`snnrl.model.to_json`); ``network`` and ``plasticity`` are then unused.
    evaluation_exploration
        Scale of the exploration current in the evaluation: 0 is the policy itself, 1 as in learning. The
        neurons' private noise is always on. For crossbar networks the scale of the random number that the
        probability of an action is compared with, around 1/2: with 0 the likelier action is taken. For dense networks
        the temperature e of softmax(logits / e); 0 takes the likeliest action.

    Raises
    ------
    InvalidValueError
        A value outside its range, or a device or spread asked of ideal synapses.
    UnknownNameError
        A name that is in no registry.
    """

    task: str = "cartpole"
    task_parameters: Mapping[str, Json] = field(default_factory=dict)
    network: str = "actor-critic"
    plasticity: str | None = None
    synapse: str = "ideal"
    device: str | None = None
    spread: float | None = None
    device_parameters: Mapping[str, float | str] = field(default_factory=dict)
    reward: str | None = None
    reward_parameters: Mapping[str, float] = field(default_factory=dict)
    network_parameters: Mapping[str, Json] = field(default_factory=dict)
    synapse_parameters: Mapping[str, Json] = field(default_factory=dict)
    seeds: int = 8
    seed: int = 0
    episodes: int = 1000
    evaluation_episodes: int = 100
    engine: str = "fast"
    engine_parameters: Mapping[str, Json] = field(default_factory=dict)
    threads: int | None = None
    dtype: str = "float64"
    solve_threshold: float | None = None
    solve_window: int = 100
    consolidation: int | None = None
    model: str | None = None
    evaluation_exploration: float = 0.0

    def __post_init__(self) -> None:
        if self.plasticity is None:
            self._set("plasticity", self._default_rule())
        if self.consolidation is None:
            self._set("consolidation", DEFAULT_CONSOLIDATION.get(str(self.plasticity), 0))
        for option, known in CHOICES.items():
            known_name(option, getattr(self, option), known)
        for option, least in LEAST.items():
            if option != "threads" or self.threads is not None:
                self._set(option, whole_number(option, getattr(self, option), least))
        self._settle_device()
        self._check_engine()
        task = self.make_task()
        self._check_network(task)
        if self.reward is None:
            self._set("reward", _default_reward(task, self.network))
        self.make_reward()
        if self.model is not None:
            self._check_model(self.model)
            if self.synapse != "ideal" or self.network_parameters:
                got = "synapse" if self.synapse != "ideal" else "network_parameters"
                raise InvalidValueError(
                    got, getattr(self, got), "nothing beside a model, which brings its own"
                )
        self._set(
            "evaluation_exploration", real_number("evaluation_exploration", self.evaluation_exploration, 0.0)
        )
        if self.solve_threshold is None:
            self._set(
                "solve_threshold", task.solved_return if task.solved_length is None else task.solved_length
            )
        else:
            self._set("solve_threshold", real_number("solve_threshold", self.solve_threshold, -math.inf))

    def _set(self, option: str, value: Json) -> None:
        object.__setattr__(self, option, value)

    def _settle_device(self) -> None:
        """Fill in the memristive defaults, or refuse memristive options of ideal synapses."""
        if self.synapse == "memristive":
            device = CROSSBAR_DEVICE if self.crossbar else DEFAULT_DEVICE
            self._set("device", device if self.device is None else self.device)
            usual = 0.0 if "thresholds" in self.device_parameters else DEFAULT_SPREAD
            self._set("spread", real_number("spread", usual if self.spread is None else self.spread, 0.0))
            self.make_device()
            return
        for option in ("device", "spread", "device_parameters", "synapse_parameters"):
            if getattr(self, option) not in (None, {}):
                raise InvalidValueError(option, getattr(self, option), "only with synapse 'memristive'")

    @property
    def crossbar(self) -> bool:
        """Whether the network is of perceptrons on crossbars, and does not spike."""
        return self.network == CROSSBAR

    @property
    def dense(self) -> bool:
        """Whether the network is a dense actor-critic, and does not spike."""
        return self.network == DENSE

    @property
    def truenorth(self) -> bool:
        """Whether a dense actor is distilled into a student for a TrueNorth chip."""
        return self.network == TRUENORTH

    def _rules(self) -> tuple[str, ...]:
        return {SRM0: SRM0_RULES, CROSSBAR: CROSSBAR_RULES, DENSE: DENSE_RULES, TRUENORTH: DENSE_RULES}.get(
            self.network, SPIKING_RULES
        )

    def _default_rule(self) -> str:
        return self._rules()[-1 if self.crossbar and self.synapse != "ideal" else 0]

    def _check_network(self, task: Task) -> None:
        """Refuse what does not go with the network."""
        rules = self._rules()
        if self.plasticity not in rules:
            raise InvalidValueError(
                "plasticity", self.plasticity, f"{', '.join(rules)} with network {self.network!r}"
            )
        leaves = {
            SRM0: SRM0_LEAVES,
            CROSSBAR: CROSSBAR_LEAVES,
            DENSE: DENSE_LEAVES,
            TRUENORTH: DENSE_LEAVES,
        }.get(self.network, {})
        for option, only in leaves.items():
            if getattr(self, option) != only:
                allowed = "nothing" if only in (None, {}) else repr(only)
                raise InvalidValueError(
                    option, getattr(self, option), f"{allowed} with network {self.network!r}"
                )
        if self.crossbar:
            self.make_crossbar().inputs(task)
        if self.truenorth:
            from snnrl.networks.truenorth.cartpole import check_task

            check_task(task)
        if self.dense or self.truenorth:
            self.make_dense()

    def _check_engine(self) -> None:
        from snnrl.engines.registry import check_options

        check_options(self.engine, self.engine_parameters)

    @staticmethod
    def _check_model(text: str) -> None:
        from snnrl.model import AgentModel, from_json

        if not isinstance(from_json(text), AgentModel):
            raise InvalidValueError(
                "model", text[:40] + " ...", "an AgentModel as JSON, see snnrl.model.to_json"
            )

    def make_task(self) -> Task:
        """Build the task."""
        from snnrl import tasks

        return tasks.make(self.task, **dict(self.task_parameters))

    def make_reward(self) -> Reward:
        """Build the reward, bound to the task."""
        from snnrl.tasks import rewards

        return rewards.make(str(self.reward), **dict(self.reward_parameters)).bind(self.make_task())

    def make_device(self) -> Device | None:
        """Build the memristive device with its spread; None for ideal synapses."""
        from snnrl.plasticity import devices

        if self.device is None or self.spread is None:
            return None
        return devices.make(self.device, self.spread, **self.device_parameters)

    def make_crossbar(self) -> CrossbarActorCritic:
        """Build the crossbar network, device included."""
        from snnrl.networks.crossbar_presets import make_crossbar

        return make_crossbar(
            self.make_task(), str(self.plasticity), self.make_device(), self.network_parameters
        )

    def make_dense(self) -> DenseOptions:
        """Build layers and algorithm of the dense network, or of the teacher."""
        from snnrl.networks.dense_options import make_options

        return make_options(str(self.plasticity), self.make_task(), self.network_parameters)

    @property
    def agent_seeds(self) -> range:
        """Seed of every agent, in order."""
        return range(self.seed, self.seed + self.seeds)

    def command(self) -> str:
        """Return the command line that repeats this run."""
        words = ["snnrl", "train", self.task]
        for option, value in self.to_dict().items():
            if option.endswith("_parameters") and isinstance(value, dict):
                part = option.removesuffix("_parameters")
                words += [
                    word for name, v in value.items() for word in ("--set", f"{part}.{name}={_text(v)}")
                ]
            elif option == "model":
                words += ["--model", "MODEL.json"] if value is not None else []
            elif option != "task" and value is not None:
                words += [f"--{option.replace('_', '-')}", str(value)]
        return shlex.join(words)

    def to_dict(self) -> dict[str, Json]:
        """Return the options as plain values for JSON."""
        values = {option: getattr(self, option) for option in option_names()}
        return {
            option: dict(value) if isinstance(value, Mapping) else value for option, value in values.items()
        }

    @classmethod
    def from_dict(cls, options: Mapping[str, Any]) -> TrainingConfig:
        """Build a config from `to_dict`'s values.

        Raises
        ------
        UnknownNameError
            An option that this version does not have.
        """
        for name in options:
            known_name("option", name, option_names())
        return cls(**options)


def _text(value: Json) -> str:
    """Return a parameter as ``--set`` reads it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _default_reward(task: Task, network: str) -> str:
    from snnrl.tasks import rewards

    chosen = task.default_reward or DEFAULT_REWARDS[network]
    try:
        rewards.make(chosen).bind(task)
    except InvalidValueError:
        return "environment"
    return chosen


def option_names() -> tuple[str, ...]:
    """Return the names of all options of a `TrainingConfig`."""
    return tuple(field.name for field in dataclasses.fields(TrainingConfig))


def known_name(option: str, got: object, known: Iterable[str]) -> None:
    """Raise `UnknownNameError` unless `got` is one of the `known` names."""
    names = tuple(known)
    if got not in names:
        raise UnknownNameError(option, got, names)


def whole_number(option: str, got: object, least: int) -> int:
    """Return `got` as an int of at least `least`.

    Raises
    ------
    InvalidValueError
        Not a whole number, or too small.
    """
    allowed = f"a whole number of at least {least}"
    if isinstance(got, bool):
        raise InvalidValueError(option, got, allowed)
    try:
        value = operator.index(got)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidValueError(option, got, allowed) from None
    if value < least:
        raise InvalidValueError(option, got, allowed)
    return value


def real_number(option: str, got: object, least: float) -> float:
    """Return `got` as a finite float of at least `least`.

    Raises
    ------
    InvalidValueError
        Not a number, not finite, or too small.
    """
    allowed = f"a finite number of at least {least:g}"
    if isinstance(got, bool) or not isinstance(got, SupportsFloat):
        raise InvalidValueError(option, got, allowed)
    value = float(got)
    if not (math.isfinite(value) and value >= least):
        raise InvalidValueError(option, got, allowed)
    return value
