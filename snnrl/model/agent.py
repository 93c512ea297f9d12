"""`AgentModel`: a network, how the world enters and leaves it, and what it learns from."""

from __future__ import annotations

from dataclasses import dataclass

from snnrl.coding.decoders import ActionDecoder, PopulationValue, Readout
from snnrl.coding.encoders import Encoder
from snnrl.errors import InvalidValueError, ModelError, UnknownNameError
from snnrl.model.network import Network


@dataclass(frozen=True)
class TDError:
    """The temporal-difference error of a discounted mean: ``(1 - gamma) r + gamma V' - V``.

    With the factor ``1 - gamma`` the value is the discounted *mean* of the reward and lies in the reward's own
    range whatever ``gamma`` is, which bounded synapses need (facts, section 9: values must fit what bounded
    weights can express). At ``terminated`` V' is 0; at ``truncated`` V' is the network's value of the last
    observation.

    Parameters
    ----------
    gamma
        Discount per environment step, in [0, 1).
    clip
        Largest absolute TD error; spike counts are integers, so a single outlier is cut, not amplified.
    """

    gamma: float = 0.97
    clip: float = 10.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.gamma < 1.0:
            raise InvalidValueError("TDError.gamma", self.gamma, "0 <= gamma < 1")
        if not self.clip > 0.0:
            raise InvalidValueError("TDError.clip", self.clip, "a positive number")


@dataclass(frozen=True)
class RewardBaseline:
    """Reward minus its running mean, ``reward_error = r - mean``; ``mean += (r - mean) / time_constant``.

    The success signal of reward-modulated STDP without a critic (Frémaux, Sprekeler and Gerstner 2010:
    learning fails when the mean of the signal is far from zero).

    Parameters
    ----------
    time_constant
        In environment steps, at least 1.
    """

    time_constant: float = 100.0

    def __post_init__(self) -> None:
        if not self.time_constant >= 1.0:
            raise InvalidValueError("RewardBaseline.time_constant", self.time_constant, "at least 1 (steps)")


LearningSignal = TDError | RewardBaseline


@dataclass(frozen=True)
class AgentModel:
    """Everything an engine needs to run a spiking agent, except the task.

    Parameters
    ----------
    network
        The spiking network.
    encoder
        Writes an observation into a variable of one population at the start of an environment step.
    action
        Turns the action populations' spikes of one environment step into an action.
    value
        Reads the critic; ``None`` for networks without one.
    signal
        What ``on_reward`` receives: `TDError` needs a value decoder.
    env_step
        Simulated time of one environment step, as quantity text; a whole number of dt.
    """

    network: Network
    encoder: Encoder
    action: ActionDecoder
    value: PopulationValue | None = None
    signal: LearningSignal = TDError()
    env_step: str = "20*ms"

    def __post_init__(self) -> None:
        target = self.network.population(self.encoder.population)
        if self.encoder.size != target.size:
            raise ModelError(
                f"encoder: {self.encoder.size} codes for population {target.name!r} of {target.size} neurons"
            )
        if self.encoder.variable not in target.writable:
            raise UnknownNameError("encoder.variable", self.encoder.variable, target.writable)
        for readout in self.readouts:
            readout.size(self.network.population(readout.population).size)
        for owner, decoder, readouts in (
            ("action", self.action, self.readouts[: len(self.action.populations)]),
            ("value", self.value, self.readouts[-1:]),
        ):
            if decoder is not None and decoder.variable:
                for readout in readouts:
                    known = self.network.population(readout.population).writable
                    if decoder.variable not in known:
                        raise UnknownNameError(f"{owner}.variable", decoder.variable, known)
        if self.value is None and isinstance(self.signal, TDError):
            raise ModelError(
                "AgentModel: a TD error needs a value decoder; use RewardBaseline without a critic"
            )

    @property
    def readouts(self) -> tuple[Readout, ...]:
        """What the decoders look at: one readout per action, then the critic if there is one."""
        names = [*self.action.populations, *([self.value.population] if self.value else [])]
        return tuple(Readout.parse(name) for name in names)
