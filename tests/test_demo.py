"""The live demo without a browser: its agent, its clock, its process, its films and its command line."""

from __future__ import annotations

import dataclasses
import math
import os
import pickle
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnrl import tasks
from snnrl.cli import main
from snnrl.demo import agents, film
from snnrl.demo.channel import Ring
from snnrl.demo.live import ENDLESS, LiveAgent, Start
from snnrl.demo.messages import Command, Frame, Steps
from snnrl.demo.pacing import GIVE_UP, Pace
from snnrl.demo.pretrain import endurance
from snnrl.demo.process import SHOWN, Runner, Simulation
from snnrl.demo.rewards import RewardChoice, fitting_rewards
from snnrl.demo.scenes import MEMRISTIVE, Scene, Shape, names, scene
from snnrl.demo.setup import setup
from snnrl.demo.spectator import UNDERWAY, Spectator
from snnrl.demo.steps import pack
from snnrl.engines.books import Counter
from snnrl.engines.fast.engine import FastSession, build_kernel
from snnrl.engines.fast.prepare import lowered_agent
from snnrl.engines.session import Stop
from snnrl.errors import InvalidValueError, SimulationError
from snnrl.tasks import rewards
from snnrl.training.build import build_model
from snnrl.training.config import TrainingConfig
from snnrl.training.runfolder import RunFolder

SMALL = {"cells_per_variable": 2, "critic_size": 4, "actor_size": 3}
SEED = 4


def small(seed: int = SEED, **options: Any) -> TrainingConfig:
    chosen: dict[str, Any] = {"network_parameters": SMALL, "seeds": 1, "seed": seed, **MEMRISTIVE, **options}
    return TrainingConfig(task="cartpole", **chosen)


def agent(learning: bool = True, seed: int = SEED, **options: Any) -> LiveAgent:
    return LiveAgent(Start("cartpole", small(**options), seed, learning=learning))


def counters(live: LiveAgent) -> Any:
    return live.session.state["counters"][0]


def run(live: LiveAgent, steps: int) -> list[Any]:
    return [live.step() for _ in range(steps)]


# ---------------------------------------------------------------------- the agent (kernels as plain Python)


@pytest.mark.usefixtures("interpreted")
def test_live_steps_are_those_of_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.CartPole, "max_steps", property(lambda self: 11))
    live, config = agent(), small()
    session = FastSession(build_model(config), config.make_task(), config.make_reward(), [SEED], 20)
    recorded, traces = [], []
    while (
        len(traces) < 4 or len(set(session.state["lengths"][0, : len(traces)].tolist())) < 2
    ):  # both kinds of end
        spikes, trace = session.record_episode(0, True, 1.0)
        recorded.append(np.concatenate(list(spikes.values()), axis=1))
        traces.append(trace)
        session.state["counters"][:, Counter.FINISHED] = 0
        session.run(14, Stop(int(session.episodes[0]) + 1))
    lengths = session.state["lengths"][0, : int(session.episodes[0])].tolist()
    steps = run(live, sum(lengths))
    live.step()  # learns from the last end
    session.state["counters"][:, Counter.FINISHED] = 0
    session.run(1, Stop(20))
    assert (
        live.session.state["lengths"][0, : len(lengths)].tolist() == lengths
    )  # truncated and terminated ones
    for name, values in session.learned().items():
        assert np.array_equal(values, live.session.state[name]), name
    numbers = np.array([step.numbers for step in steps])
    assert np.array_equal(numbers[:, [2, 3, 0, 1]], np.concatenate(traces)[:, :4])
    first = steps[: lengths[0]]
    seen = np.zeros_like(recorded[0])
    for k, step in enumerate(first):
        seen[20 * k + step.times, step.neurons] = True
    assert seen.any()
    assert np.array_equal(seen, recorded[0])


@pytest.mark.usefixtures("interpreted")
def test_a_membrane_is_above_threshold_where_its_neuron_spikes() -> None:
    live = agent()
    spiked = 0
    first = np.cumsum([0, *(n.size for n in live.session.network.neurons)])[1]  # the critic's first neuron
    for step in run(live, 6):
        times = step.times[step.neurons == first]
        assert np.array_equal(np.flatnonzero(step.membranes[:, 0] >= 1.0), times)
        spiked += len(times)
    assert spiked > 0


@pytest.mark.usefixtures("interpreted")
def test_weights_change_only_while_learning_is_on() -> None:
    live = agent(learning=False)
    before = {name: values.copy() for name, values in live.session.learned().items()}
    run(live, 30)
    assert all(np.array_equal(before[name], values) for name, values in live.session.learned().items())
    live.apply(Command("learning", True))
    run(live, 30)
    assert live.synapses.writes() > 0
    assert not np.array_equal(before["S_place_critic_w"], live.session.learned()["S_place_critic_w"])


@pytest.mark.usefixtures("interpreted")
def test_learning_begins_with_traces_at_rest() -> None:
    live = agent()
    run(live, 4)
    assert live.session.variable("place_critic", "tag").any()
    live.apply(Command("learning", False))
    run(live, 1)
    live.apply(Command("learning", True))
    assert not live.session.variable("place_critic", "tag").any()


@pytest.mark.usefixtures("interpreted")
def test_an_episode_is_truncated_only_while_learning_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.CartPole, "max_steps", property(lambda self: 5))
    live = agent(learning=False)
    run(live, 8)
    assert (counters(live)[Counter.EPISODE_STEP], counters(live)[Counter.EPISODE]) == (8, 0)
    live.apply(Command("learning", True))
    run(live, 2)
    assert counters(live)[Counter.EPISODE] == 1


# ---------------------------------------------------------------------- sliders, nudges, commands


@pytest.mark.usefixtures("interpreted")
def test_task_sliders_change_what_the_kernel_is_given() -> None:
    live = agent()
    source, given = live.session.kernel.source, live.session.common["task_p"]
    live.apply(Command("set", 0.5, "pole_length"))
    live.apply(Command("set", 15.0, "force"))
    expected = tasks.CartPole(pole_length=0.5, force=15.0).kernel().parameters
    assert np.array_equal(given, expected)
    assert live.session.common["task_p"] is given  # the very array: nothing restarts
    assert live.session.kernel.source is source
    live.apply(Command("set", 99.0, "force"))
    assert live.sliders["force"] == 20.0


@pytest.mark.usefixtures("interpreted")
def test_learning_rate_is_that_of_a_model_with_that_rate() -> None:
    live = agent()
    network = lowered_agent(live.model)
    faster = dataclasses.replace(
        network,
        synapses=tuple(
            dataclasses.replace(s, constants={**s.constants, "eta": 3.0 * s.constants["eta"]}) if "eta" in s.constants else s
            for s in network.synapses
        ),
    )  # fmt: skip
    kernel = build_kernel(live.model, faster, live.task, live.choice.reward(), "float64", True, {})
    assert not np.array_equal(live.session.common["p"], kernel.scalars)
    live.apply(Command("set", 3.0, "rate"))
    assert np.array_equal(live.session.common["p"], kernel.scalars)


@pytest.mark.usefixtures("interpreted")
def test_spread_redraws_the_devices_and_keeps_the_conductances() -> None:
    live, other = agent(), agent(spread=0.5)
    run(live, 20)
    kept = live.session.variable("place_critic", "g_plus").copy()
    live.apply(Command("set", 50.0, "spread"))
    for constant in ("v_th_plus", "rate_minus", "gain_plus", "g_hi_minus"):
        assert np.array_equal(live.session.variable("place_critic", constant),
                              other.session.variable("place_critic", constant))  # fmt: skip
    assert np.array_equal(
        live.session.variable("place_critic", "g_plus"), kept
    )  # the ranges are the same draws
    run(live, 2)


@pytest.mark.usefixtures("interpreted")
def test_weights_follow_conductances_that_a_narrower_range_clips() -> None:
    live = agent()
    high = live.session.variable("place_critic", "g_hi_plus")
    live.session.variable("place_critic", "g_plus")[:] = 2.0 * high
    live.apply(Command("set", 20.0, "spread"))
    group = live.session.network.synapses[0]
    plus, minus = (live.session.variable("place_critic", name) for name in ("g_plus", "g_minus"))
    assert np.array_equal(plus, live.session.variable("place_critic", "g_hi_plus"))
    expected = group.constants["w_scale"] * (plus - minus)
    assert np.array_equal(live.session.variable("place_critic", "w"), expected)


def test_chosen_reward_is_the_registered_one() -> None:
    task = tasks.CartPole()
    choice = RewardChoice(fitting_rewards(task, rewards.make("gaussian").bind(task)), "gaussian")
    assert len(choice.choices) > 5
    rng = np.random.default_rng(0)
    for name, reward in choice.choices.items():
        choice.choose(name)
        function, p = choice.function, choice.p
        for terminated in (False, True):
            before, after = rng.normal(0, 0.2, 4), rng.normal(0, 0.2, 4)
            assert function(before, after, terminated, 30, 20.0, p) == reward(
                before, after, terminated, 30, 20.0
            )
    with pytest.raises(InvalidValueError, match="reward: got 'nonsense'"):
        choice.choose("nonsense")


@pytest.mark.usefixtures("interpreted")
def test_reward_changes_while_the_agent_runs() -> None:
    live = agent()
    (step,) = run(live, 1)
    live.apply(Command("reward", "survival"))
    (after,) = run(live, 1)
    assert 0.0 < step.numbers[1] < 1.0
    assert after.numbers[1] == 1.0
    assert live.books(0.0, False).reward == "survival"


@pytest.mark.usefixtures("interpreted")
def test_nudge_moves_the_world_and_what_the_agent_sees() -> None:
    live, undisturbed = agent(), agent()
    live.apply(Command("nudge", 1.0, "theta_dot"))  # before the first episode: kept until it is under way
    run(live, 1)
    run(undisturbed, 1)
    assert np.array_equal(live.session.state["world"], undisturbed.session.state["world"])
    live._do_nudges(counters(live))
    moved = live.session.state["world"][0] - undisturbed.session.state["world"][0]
    assert moved.tolist() == pytest.approx([0.0, 0.0, 0.0, 1.0])
    assert np.array_equal(live.session.state["observation"], live.session.state["world"])
    assert live.nudges == []


@pytest.mark.usefixtures("interpreted")
def test_forgetting_and_restoring() -> None:
    live = agent()
    fresh = {name: values.copy() for name, values in live.session.learned().items()}
    run(live, 60)
    assert counters(live)[Counter.EPISODE] > 0
    time_before = int(counters(live)[Counter.STEP])
    live.apply(Command("forget"))
    assert all(np.array_equal(fresh[name], values) for name, values in live.session.learned().items())
    books = live.books(0.0, False)
    assert (books.episode, books.best_length, books.writes, len(books.lengths)) == (0, 0, 0, 0)
    assert counters(live)[Counter.STEP] == time_before
    trained = {"S_place_critic_w": np.full((1, 16, 4), 0.5)}
    taught = LiveAgent(Start("cartpole", small(), SEED, trained))
    run(taught, 5)
    taught.apply(Command("forget"))
    taught.apply(Command("restore"))
    assert np.array_equal(taught.session.learned()["S_place_critic_w"], trained["S_place_critic_w"])


@pytest.mark.usefixtures("interpreted")
def test_reset_begins_an_episode_that_is_not_booked() -> None:
    live = agent()
    run(live, 5)
    live.apply(Command("reset"))
    run(live, 1)
    assert (counters(live)[Counter.EPISODE], counters(live)[Counter.EPISODE_STEP]) == (0, 1)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Command("dance"), "command: got 'dance'"),
        (Command("set", 1.0, "gravity"), "slider: got 'gravity'"),
        (Command("set", math.nan, "force"), "slider force: got nan"),
        (Command("set", "much", "force"), "set force: got 'much'"),
        (Command("nudge", 1.0, "altitude"), "nudge: got 'altitude'"),
        (Command("nudge", True, "x"), "nudge x: got True"),
        (Command("reward", "praise"), "reward: got 'praise'"),
    ],
)
def test_command_without_sense_is_refused(command: Command, words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        agent().apply(command)


@pytest.mark.usefixtures("interpreted")
def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="weights: got 'S_place_critic_w"):
        LiveAgent(Start("cartpole", small(), SEED, {"S_place_critic_w": np.zeros((1, 3, 4))}))


@pytest.mark.usefixtures("interpreted")
def test_there_is_room_for_any_number_of_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snnrl.demo.live.ROOM", 4)
    monkeypatch.setattr(tasks.CartPole, "max_steps", property(lambda self: 2))
    live = agent()
    run(live, 24)
    assert live.session.state["lengths"].shape[1] > 8
    assert live.books(0.0, False).lengths.tolist()[:10] == [2] * 10


@pytest.mark.usefixtures("interpreted")
def test_packed_steps_keep_every_spike() -> None:
    live = agent()
    steps = run(live, 3)
    packed = pack(steps, 26)
    times, neurons = np.divmod(packed.spikes.astype(int), 26)
    expected = sorted(
        (20 * k + t, n) for k, s in enumerate(steps) for t, n in zip(s.times, s.neurons, strict=True)
    )
    assert sorted(zip(times.tolist(), neurons.tolist(), strict=True)) == expected
    assert (packed.start, packed.dt_steps, packed.end.tolist()) == (0, 60, [20, 40, 60])
    assert packed.membranes.shape == (60, 3)


@pytest.mark.usefixtures("interpreted")
def test_map_shows_what_was_written_since_the_last_map() -> None:
    live = agent()
    run(live, 25)
    shown = live.synapses.map()
    assert shown.weights.shape == shown.written.shape == (4 + 3 + 3, 16)
    assert shown.written.sum() == live.synapses.writes() > 0
    assert np.abs(shown.weights).max() <= 1.0
    assert live.synapses.map().written.sum() == 0


@pytest.mark.usefixtures("interpreted")
def test_ideal_weights_have_no_spread_slider() -> None:
    live = agent(synapse="ideal", device=None, spread=None)
    assert "spread" not in live.sliders
    assert "rate" in live.sliders
    assert live.synapses.writes() == -1
    assert setup(live).devices == 0.0


# ---------------------------------------------------------------------- scenes


@pytest.mark.parametrize("name", names())
def test_scene_fits_its_task(name: str) -> None:
    shown = scene(name)
    task = agents.own_config(shown, 0).make_task()
    assert task.kernel() is not None
    assert {s.name for s in shown.sliders} <= set(task.parameters())
    assert all(s.low <= task.parameters()[s.name] <= s.high for s in shown.sliders)
    assert {b.state for b in shown.buttons} <= set(task.state_names)
    assert len({b.key for b in shown.buttons}) == len(shown.buttons)
    for action in range(-1, task.n_actions):
        left, right, bottom, top = shown.view
        shapes = shown.draw([0.05] * len(task.state_names), action, task)
        assert all(isinstance(shape, Shape) for shape in shapes)
        points = np.array([point for shape in shapes for point in shape.points])
        assert ((points >= (left, bottom)) & (points <= (right, top))).all()


@pytest.mark.parametrize("name", [name for name in names() if scene(name).agent])
def test_pretrained_agent_balances_while_it_is_kicked(name: str, compiled: LiveAgent) -> None:
    assert endurance(compiled, minutes=1.0) == []
    assert counters(compiled)[Counter.EPISODE_STEP] > 3000


# ---------------------------------------------------------------------- clock


class Wall:
    """A wall clock that only moves when it is told to, or slept through."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        """Return the time."""
        self.time += 1e-5  # looking takes time too, so that waiting by looking ends
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds


def paced(speed: float = 1.0, strict: bool = False) -> tuple[Pace, Wall]:
    wall = Wall()
    return Pace(0.02, speed, strict, clock=wall, sleep=wall.sleep), wall


def take(pace: Pace, wall: Wall, seconds: float = 0.001) -> None:
    pace.wait_until_due()
    pace.begin()
    wall.time += seconds
    pace.done()


def test_pace_keeps_simulated_time_to_wall_time() -> None:
    pace, wall = paced()
    began = wall.time
    for _ in range(100):
        take(pace, wall)
    assert wall.time - began == pytest.approx(99 * 0.02 + 0.001, abs=5e-4)
    clock = pace.report()
    assert (clock.missed, clock.steps) == (0, 100)
    assert clock.simulated == pytest.approx(2.0)
    assert clock.ratio == pytest.approx(1.0, rel=0.01)
    assert clock.late_p99 < 1e-3


def test_a_slow_step_is_a_missed_deadline_and_is_made_up_for() -> None:
    pace, wall = paced()
    began = wall.time
    for k in range(50):
        take(pace, wall, 0.05 if k == 10 else 0.001)
    # Step 10 ends 50 ms after it was due; step 11 then begins 30 ms late; step 12 is late but in time.
    assert pace.missed == 2
    assert wall.time - began == pytest.approx(49 * 0.02 + 0.001, abs=1e-3)
    assert max(pace.late) == pytest.approx(0.03, abs=1e-3)
    assert 0.0 < pace.report().late_p99 <= max(pace.late)


@pytest.mark.parametrize("strict", [False, True])
def test_only_a_strict_pace_hurries_after_a_long_stop(strict: bool) -> None:
    pace, wall = paced(strict=strict)
    began = wall.time
    take(pace, wall)
    take(pace, wall, 3.0 + GIVE_UP)
    for _ in range(300):
        take(pace, wall)
    behind = wall.time - began - 301 * 0.02
    assert behind == pytest.approx(0.0 if strict else 3.0 + GIVE_UP - 0.02, abs=0.02)
    assert pace.missed > 100 if strict else pace.missed == 1


def test_pace_at_ten_times_real_time_and_without_a_limit() -> None:
    pace, wall = paced(10.0)
    began = wall.time
    for _ in range(500):
        take(pace, wall)
    assert wall.time - began == pytest.approx(1.0, abs=0.01)
    assert pace.report().ratio == pytest.approx(10.0, rel=0.01)
    pace.set_speed(0.0)
    began = wall.time
    for _ in range(500):
        take(pace, wall)
    assert wall.time - began == pytest.approx(0.5, abs=0.05)
    assert (pace.missed, pace.report().deadline) == (0, 0.0)


def test_a_pause_is_not_caught_up_with() -> None:
    pace, wall = paced(strict=True)
    take(pace, wall)
    wall.time += 60.0
    pace.resume()
    take(pace, wall)
    assert pace.missed == 0
    assert pace.report().wall < 1.0


def test_clearing_the_clock_begins_to_count_anew() -> None:
    pace, wall = paced()
    take(pace, wall, 0.1)
    pace.clear()
    clock = pace.report()
    assert (clock.missed, clock.steps, clock.simulated, clock.late_p99) == (0, 0, 0.0, 0.0)


# ---------------------------------------------------------------------- ring


def ring(**options: int) -> Ring:
    return Ring(get_context("spawn"), **options)


def test_ring_gives_messages_in_order_and_drops_the_oldest() -> None:
    channel = ring(slots=4, size=200)
    assert list(channel.read(-1)) == []
    assert channel.put("a")
    assert channel.put("b")
    assert list(channel.read(0)) == [(1, "a"), (2, "b")]
    assert list(channel.read(1)) == [(2, "b")]
    for k in range(3, 12):
        channel.put(k)
    assert list(channel.read(2)) == [(9, 9), (10, 10), (11, 11)]


def test_ring_refuses_what_does_not_fit_and_skips_what_is_torn() -> None:
    channel = ring(slots=4, size=200)
    assert not channel.put("x" * 300)
    channel.put("whole")
    channel.put("torn")
    place = 2 * 200 + 30
    channel.memory[place] = channel.memory[place] ^ 255
    assert list(channel.read(0)) == [(1, "whole")]


# ---------------------------------------------------------------------- runner and spectator


def runner(live: LiveAgent, speed: float = 1.0) -> tuple[Runner, Wall, list[Frame]]:
    pace, wall = paced(speed)
    frames: list[Frame] = []
    return Runner(live, pace, frames.append), wall, frames


@pytest.mark.usefixtures("interpreted")
def test_runner_shows_every_step_at_real_time() -> None:
    running, _, frames = runner(agent())
    for _ in range(10):
        running.tick()
    assert [frame.number for frame in frames] == list(range(1, 11))
    assert [len(frame.steps.end) for frame in frames if frame.steps] == [1] * 10
    assert sum(frame.weights is not None for frame in frames) == 1  # five maps a second
    assert frames[-1].clock.steps == 10


@pytest.mark.usefixtures("interpreted")
def test_runner_gathers_steps_when_it_is_fast_and_skips_none() -> None:
    running, _, frames = runner(agent(), 20.0)
    for _ in range(100):
        running.tick()
    shown = sum(len(frame.steps.end) + frame.steps.skipped for frame in frames if frame.steps)
    assert shown + len(running.steps) + running.skipped == 100
    assert max(len(frame.steps.end) for frame in frames if frame.steps) == SHOWN
    assert len(frames) < 15


@pytest.mark.usefixtures("interpreted")
def test_runner_obeys() -> None:
    running, _, frames = runner(agent())
    running.tick()
    running.obey(Command("pause", True))
    running.tick()
    assert (frames[-1].steps, frames[-1].books.paused, frames[-1].clock.steps) == (None, True, 1)
    running.obey(Command("pause", False))
    running.obey(Command("set", 4.0, "speed"))
    running.tick()
    assert running.pace.period == pytest.approx(0.005)
    running.obey(Command("clear"))
    assert running.pace.steps == 0
    running.pace.strict = True
    running.obey(Command("set", 2.0, "speed"))
    assert running.pace.speed == 4.0


class FakeSimulation:
    """Frames without a process."""

    def __init__(self, frames: list[Frame], start: Start) -> None:
        self.ready, self.start_options, self.shown = frames, start, 0
        self.sent: list[Command] = []

    @property
    def latest(self) -> int:
        """Number of the newest frame."""
        return self.shown

    @property
    def last_steps(self) -> Steps | None:
        """Steps of the newest frame with any."""
        return next((f.steps for f in reversed(self.ready[: self.shown]) if f.steps), None)

    def frames(self, after: int) -> list[tuple[int, Frame]]:
        """Return the last frames."""
        return [(f.number, f) for f in self.ready[: self.shown] if f.number > max(after, self.shown - 30)]

    def send(self, command: Command) -> None:
        """Note a command."""
        self.sent.append(command)


@pytest.fixture
def spectator(interpreted: None) -> tuple[Spectator, FakeSimulation]:
    live = agent()
    running, _, frames = runner(live)
    for _ in range(5):
        running.tick()
    frames = [dataclasses.replace(frames[k % 5], number=k + 1) for k in range(200)]
    fake = FakeSimulation(frames, live.start)
    return Spectator(fake, scene("cartpole")), fake  # type: ignore[arg-type]


def test_a_slow_browser_drops_frames(spectator: tuple[Spectator, FakeSimulation]) -> None:
    watching, fake = spectator
    assert watching.message() is None
    numbers = []
    for shown in range(1, 20):
        fake.shown = shown
        message = watching.message()
        numbers += [message["number"]] if message else []
    assert numbers == list(range(1, UNDERWAY + 1))  # nothing was acknowledged: nothing more is sent
    fake.shown = 100
    watching.acknowledge(UNDERWAY)
    message = watching.message()
    assert message is not None
    assert (message["number"], watching.dropped) == (100, 100 - UNDERWAY - 30)
    pickle.dumps(message)


def test_a_browser_that_lost_its_frames_is_served_again(
    spectator: tuple[Spectator, FakeSimulation],
) -> None:
    watching, fake = spectator
    for shown in range(1, 10):
        fake.shown = shown
        watching.message()
    assert watching.message() is None
    fake.shown = 60
    assert watching.message() is not None


def test_message_holds_what_the_page_draws(spectator: tuple[Spectator, FakeSimulation]) -> None:
    watching, fake = spectator
    fake.shown = 3
    message = watching.message()
    assert message is not None
    assert len(message["chunks"]) == 3
    assert message["weights"].size == message["written"].size == 10 * 16
    assert message["books"]["learning"] is True
    colours = {colour for colour, _, _ in message["shapes"]}
    assert {"pole", "ink"} <= colours
    (pole,) = [points for colour, _, points in message["shapes"] if colour == "pole"]
    assert math.dist(pole[:2], pole[2:]) == pytest.approx(1.0, abs=1e-3)


def test_a_browser_that_comes_while_paused_sees_where_everything_stands(
    spectator: tuple[Spectator, FakeSimulation],
) -> None:
    watching, fake = spectator
    fake.ready = [f if f.number <= 5 else dataclasses.replace(f, steps=None) for f in fake.ready]
    fake.shown = 60
    message = watching.message()
    assert message is not None
    assert message["chunks"] == []
    assert "pole" in {colour for colour, _, _ in message["shapes"]}


@pytest.mark.parametrize("given", [None, {}, {"name": "stop"}, {"name": "set", "value": [1]}, "learning"])
def test_a_page_may_not_send_anything_else(
    given: object, spectator: tuple[Spectator, FakeSimulation]
) -> None:
    watching, fake = spectator
    with pytest.raises(InvalidValueError, match="command of a page"):
        watching.command(given)
    assert fake.sent == []
    watching.command({"name": "nudge", "value": 0.5, "target": "x_dot", "id": 3})
    assert fake.sent == [Command("nudge", 0.5, "x_dot")]


# ---------------------------------------------------------------------- process (the compiled kernel from here on)


@pytest.fixture(scope="module")
def compiled() -> LiveAgent:
    """Build the agent that comes with the package; compiled once for all tests below."""
    live = LiveAgent(agents.pretrained("cartpole", 1))
    live.step()
    return live


@pytest.fixture(scope="module")
def simulation(compiled: LiveAgent) -> Iterator[Simulation]:
    with Simulation(agents.pretrained("cartpole", 1)) as running:
        running.wait_until_ready()
        yield running


def wait_for(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def newest(running: Simulation) -> Frame:
    frames: list[tuple[int, Frame]] = wait_for(lambda: running.frames(running.latest - 1))
    return frames[-1][1]


def test_simulation_runs_beside_and_obeys(simulation: Simulation) -> None:
    assert simulation.process.pid != os.getpid()
    assert simulation.setup is not None
    assert [p.label for p in simulation.setup.populations][:2] == ["place cells", "critic"]
    first = newest(simulation)
    wait_for(lambda: newest(simulation).clock.steps > first.clock.steps)
    simulation.send(Command("learning", True))
    wait_for(lambda: newest(simulation).books.writes > first.books.writes)
    simulation.send(Command("learning", False))
    simulation.send(Command("set", 20.0, "speed"))
    simulation.send(Command("set", 45.0, "spread"))  # prepared in this process
    wait_for(lambda: newest(simulation).books.sliders["spread"] == 45.0)
    assert newest(simulation).clock.asked == 20.0


def test_simulation_does_not_wait_for_a_reader(simulation: Simulation) -> None:
    before, first = newest(simulation).clock.steps, simulation.latest
    wait_for(lambda: simulation.latest > first + 2 * simulation.ring.slots)  # nobody reads
    assert newest(simulation).clock.steps > before


def test_refused_command_is_told_and_changes_nothing(simulation: Simulation) -> None:
    simulation.send(Command("set", 1.0, "gravity"))
    wait_for(lambda: (simulation.listen(), simulation.refused)[1])
    assert "slider: got 'gravity'" in simulation.refused
    assert simulation.alive


def test_a_dead_process_is_reported_and_stopping_is_clean(compiled: LiveAgent) -> None:
    with Simulation(compiled.start) as running:
        running.process.kill()
        with pytest.raises(SimulationError, match="ended without a word"):
            running.wait_until_ready()
        running.send(Command("reset"))  # to nobody: no error
    assert not running.alive


def test_a_simulation_that_cannot_begin_says_why() -> None:
    start = Start("cartpole", small(), 0, {"S_place_critic_w": np.zeros((1, 1, 1))})
    with Simulation(start) as running, pytest.raises(SimulationError, match="weights: got 'S_place_critic_w"):
        running.wait_until_ready()


def test_simulation_ends_with_the_one_who_watches(compiled: LiveAgent) -> None:
    running = Simulation(compiled.start)
    running.wait_until_ready()
    running.commands.close()  # what happens when the parent dies
    running.process.join(20)
    assert running.process.exitcode == 0


# ---------------------------------------------------------------------- film


def test_film_is_the_same_for_the_same_seed(compiled: LiveAgent, tmp_path: Path) -> None:
    def bytes_of(name: str, seed: int) -> bytes:
        film.record(agents.pretrained("cartpole", seed), tmp_path / name, 0.32)
        return (tmp_path / name).read_bytes()

    first = bytes_of("a.mp4", 1)
    assert first[4:8] == b"ftyp"
    assert bytes_of("b.mp4", 1) == first
    assert bytes_of("c.mp4", 2) != first
    assert bytes_of("d.gif", 1)[:6] == b"GIF89a"


def test_pictures_move(compiled: LiveAgent) -> None:
    first, *_, last = film.pictures(agents.pretrained("cartpole", 1), 0.2, 25, 320, 180)
    assert first.shape == last.shape == (180, 320, 3)
    assert (first != last).any()
    assert len(np.unique(last.reshape(-1, 3), axis=0)) > 20


# ---------------------------------------------------------------------- command line


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["juggling"], "task of a demo: got 'juggling', allowed: acrobot, cartpole, rotary-pendulum"),
        (["cartpole", "--host", "0.0.0.0"], "--host: got '0.0.0.0', allowed: 127.0.0.1 or localhost; with --allow-remote"),
        (["cartpole", "--port", "70000"], "--port: got 70000, allowed: 0 to 65535"),
        (["cartpole", "--port", "here"], "Invalid value for '--port'"),
        (["cartpole", "--speed", "100"], "--speed: got 100.0, allowed: 0.1 to 20"),
        (["cartpole", "--realtime", "--speed", "2"], "--speed: got 2.0, allowed: 1 with --realtime"),
        (["cartpole", "--seconds", "0", "--headless"], "--seconds: got 0.0"),
        (["cartpole", "--seed", "-1"], "--seed: got -1"),
        (["cartpole", "--headless", "--record", "film.avi"], "--record: got 'film.avi', allowed: a file that ends in .mp4 or .gif"),
        (["cartpole", "--headless", "--record", "no/such/folder/film.mp4"], "allowed: a file in a folder that exists"),
        (["cartpole", "--record", "film.mp4"], "--record: got 'film.mp4', allowed: only with --headless"),
        (["cartpole", "--run", "nowhere"], "nowhere: no such run folder"),
        (["cartpole", "--run", "nowhere", "--from-zero"], "--run: got 'nowhere', allowed: nothing beside --from-zero"),
    ],
)  # fmt: skip
def test_bad_command_line_is_one_line(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"snnrl: {line}") or line in told.err
    assert told.err.count("\n") == 1


def run_folder(path: Path, **options: Any) -> RunFolder:
    folder = RunFolder.create(path, small(**options))
    return folder


@pytest.mark.usefixtures("interpreted")
def test_run_folder_gives_its_first_agent(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", seed=7)
    live = agent(seed=7)
    run(live, 30)
    folder.save_checkpoint(live.session.save(), [])
    start = agents.from_run("cartpole", tmp_path / "run", 3)
    shown = LiveAgent(start)
    assert (start.config.seed, start.seed, start.learning) == (7, 3, False)
    for name, values in live.session.learned().items():
        assert np.array_equal(shown.session.learned()[name], values)


@pytest.mark.usefixtures("interpreted")
def test_unfitting_run_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_folder(tmp_path / "torch", engine="torch")
    run_folder(tmp_path / "begun")
    odd = run_folder(tmp_path / "odd")
    odd.save_checkpoint({**agent().session.learned(), "S_place_critic_w": np.zeros((1, 2, 2))}, [])
    empty = run_folder(tmp_path / "empty")
    empty.save_checkpoint({"counters": np.zeros((1, 2))}, [])
    for name, words in (
        ("torch", "engine 'torch', allowed in 'snnrl demo cartpole': 'fast'"),
        ("begun", "missing, allowed: a run that reached its first checkpoint"),
        ("odd", "does not fit this version (weights: got 'S_place_critic_w"),
        ("empty", "its checkpoint lacks S_place_critic"),
    ):
        assert main(["demo", "cartpole", "--run", str(tmp_path / name)]) == 2
        err = capsys.readouterr().err
        assert words in err
        assert err.count("\n") == 1
    assert main(["demo", "acrobot", "--run", str(tmp_path / "begun")]) == 2
    assert "task 'cartpole', allowed in 'snnrl demo acrobot': 'acrobot'" in capsys.readouterr().err


def test_headless_run_reports_its_clock(compiled: LiveAgent, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "cartpole", "--headless", "--seconds", "0.5", "--speed", "5"]) == 0
    assert "s simulated in" in capsys.readouterr().out


def test_endless_is_longer_than_anybody_watches() -> None:
    assert ENDLESS * 0.002 > 365 * 24 * 3600


def test_a_scene_is_one_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    from snnrl.demo import scenes

    monkeypatch.setattr(scenes, "_SCENES", dict(scenes._SCENES))
    shown = Scene(task="cartpole-v0", title="t", draw=lambda *state: [], view=(0, 1, 0, 1), caption="c")
    scenes.register(shown)
    assert scene("cartpole-v0") is shown
    assert agents.pretrained("cartpole-v0", 5).learning  # without an agent: one that learns
