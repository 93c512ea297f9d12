"""How one dt of a model is spread over what BindsNET's `Network.run` does in one time step.

`Network.run` visits, in each time step, every connection (``compute``), every layer (``forward``), every connection
again (``update``), and then its monitors (``record``). The order of events of a model (docs/architecture.md) runs every
``on_pre`` before any ``on_post``, and the resets after both, so the events cannot be run connection by connection in
``update``: there, each connection only notes what it is told. The `Schedule` is a monitor, the first of its network. It
is visited when all layers and connections have been, and ends the dt: it has the learning rules run their statements
event by event, then the resets. All monitors after it see the finished dt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bindsnet.network.monitors import AbstractMonitor

from snnrl.errors import InvalidValueError, SimulationError, UnsupportedError

if TYPE_CHECKING:
    from bindsnet.network import Network

    from snnrl.engines.bindsnet.connections import StatementRule
    from snnrl.engines.bindsnet.simulator import BindsnetSimulator


class Schedule(AbstractMonitor):  # type: ignore[misc]  # bindsnet has no type hints
    """The monitor that begins and ends every dt.

    Attributes
    ----------
    driven_from_outside
        Whether `Network.run` was called by somebody else than the simulator, such as a pipeline.
    reward
        What ``Network.run(reward=...)`` was told, until it has been judged.
    """

    NAME = "snnrl_schedule"

    network: Network

    def __init__(self, simulator: BindsnetSimulator) -> None:
        self.simulator, self.clock = simulator, simulator.clock
        self.dt_ms = round(simulator.network.dt * 1e3, 9)
        self.driven_from_outside, self.reward = True, None
        self._open = False
        self._served: dict[str, int] = {}

    @property
    def now(self) -> int:
        """Number of the present dt."""
        return self.simulator.step + self.clock.offset

    def begin_dt(self) -> None:
        """Begin a dt, and an environment step if it is the first; any part may call it, the first call counts."""
        if self._open:
            return
        self._check_batch()
        self._open = True
        if self.clock.offset == 0:
            self._check_foreign_rules()
            self.simulator.begin_env_step()

    def _check_batch(self) -> None:
        if self.network.batch_size != self.clock.n_agents:
            raise InvalidValueError(
                "engine bindsnet, batch", self.network.batch_size,
                f"{self.clock.n_agents}, the number of seeds: every agent of a batch has its own weights",
            )  # fmt: skip

    def _check_foreign_rules(self) -> None:
        """Refuse learning rules of BindsNET's own in a batch: their weights would be those of all agents."""
        if self.clock.n_agents == 1:
            return
        for key, connection in self.network.connections.items():
            holders = [connection, *getattr(connection, "pipeline", ())]
            rules = [getattr(h, "update_rule", None) or getattr(h, "learning_rule", None) for h in holders]
            if any(r is not None and type(r).__name__ not in ("StatementRule", "NoOp") for r in rules):
                raise UnsupportedError(
                    "bindsnet", f"connection {key}", "BindsNET shares its weights among the agents of a batch and sums their changes",
                    "one agent, no learning rule, or synapses of the model, where each agent has its own weights",
                )  # fmt: skip

    def serve(self, layer: str) -> None:
        """Begin a dt for a layer; `SimulationError` if the one before was not ended."""
        self.begin_dt()
        if self._served.get(layer) == self.now:
            raise SimulationError(
                f"layer {layer!r} was run twice in one dt: the network has lost the monitor {self.NAME!r}, which ends it"
            )
        self._served[layer] = self.now

    def record(self) -> None:
        """End a dt: the model's events, in their order."""
        self.begin_dt()
        simulator = self.simulator
        for layer in simulator.native_layers:
            layer.note_spikes()
        rules = self._rules()
        for rule in rules:
            rule.clock_update()
        for rule in rules:
            rule.on_pre()
        for rule in rules:
            rule.on_post()
        for population in simulator.populations.values():
            population.reset()
        for rule in rules:
            rule.flow()
        self.clock.advance()
        self._open = False
        if self.clock.offset == self.clock.env_steps:
            simulator.end_env_step()

    def _rules(self) -> list[StatementRule]:
        """Return the learning rules of the model's connections that are still in the network."""
        ours = set(map(id, self.simulator.connections.values()))
        return [c.update_rule for c in self.network.connections.values() if id(c) in ours]

    def reset_state_variables(self) -> None:
        """Begin an episode of all agents: what `Network.reset_state_variables` is for."""
        self._check_batch()  # BindsNET comes here too when it is given another batch
        self.simulator.abandon_env_step()
        self._open, self.reward = False, None
        self._served.clear()
        self.simulator.begin_episode(self.simulator.everyone)


class RewardMonitor(AbstractMonitor):  # type: ignore[misc]
    """Gives the reward that a pipeline passes to `Network.run` to ``on_reward``, at the end of an environment step.

    By itself it makes that reward the shared name ``reward``; the other learning signals stay as they are in
    ``simulator.signals``.
    """

    NAME = "snnrl_reward"

    def __init__(self, simulator: BindsnetSimulator) -> None:
        self.simulator = simulator

    def record(self) -> None:
        """Look whether an environment step is over."""
        schedule = self.simulator.schedule
        if self.simulator.clock.offset == 0 and schedule.driven_from_outside and schedule.reward is not None:
            reward, schedule.reward = schedule.reward, None
            self.judge(reward)

    def judge(self, reward: Any) -> None:
        """Set the learning signals and let the network learn."""
        self.simulator.signals["reward"][:] = reward
        if self.simulator.bindsnet_network.learning:
            self.simulator.learn(self.simulator.everyone, 2 * self.simulator.decision)

    def reset_state_variables(self) -> None:
        """Nothing is kept from one reward to the next."""
