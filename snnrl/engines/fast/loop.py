"""Kernel source for the closed loop: sense, learn, choose, act."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from snnrl.engines.fast.functions import Functions
from snnrl.engines.fast.render import Source
from snnrl.model import AgentModel, TDError
from snnrl.tasks.base import source_of


def copied_function(function: Callable[..., Any], name: str) -> str:
    """Return the source of a self-contained function, compiled under another name."""
    text = re.sub(r"^def \w+", f"def {name}", source_of(function), count=1)
    return "@njit(nogil=True, error_model='numpy')\n" + text


def emit_step(
    functions: Functions, model: AgentModel, drive: str, steps: int, action_stream: int, shown: str = "",
    weighed: Sequence[str] = (),
) -> None:  # fmt: skip
    """Emit one environment step of the network: sense, learn from the last transition, choose an action.

    ``mode`` says what it is for: 0 an ordinary step; 1 the task terminated, so only the last transition is
    learnt, with nothing to follow; 2 it was truncated, so the last observation is sensed to bootstrap from.
    ``shown`` is the array that the value is read from, empty where it is read from spikes; ``weighed`` likewise has an
    array for every action.
    """
    out = Source()
    out.add("value = 0.0")
    with out.block("if mode != 1:"):
        _emit_sense(out, functions, model, drive, shown)
    _emit_learn(out, functions, model, steps)
    with out.block("if mode != 0:"):
        out.add("return 0")
    with out.block(f"for k in range({len(model.action.populations)}):"):
        out.add("group_count[k] = spike_count[k]", "group_first[k] = first_spike[k]")
    for k, array in enumerate(weighed):
        seen = model.readouts[k]
        stop = seen.start + seen.size(model.network.population(seen.population).size)
        out.add(f"group_count[{k}] = 0.0")
        with out.block(f"for j in range({seen.start}, {stop}):"):
            out.add(f"group_count[{k}] += {array}[j]")
    out.add(f"key_low, key_high = step_key(streams[{action_stream}], counters[DECISION])")
    out.add("chance = float(bits(key_low, key_high, 0)) * 2.0**-32")
    out.add(f"return decode(group_count, group_first, chance, {float(steps)}, action_p)")
    functions.define("step_agent", ["mode", "learning", "exploration"], out.lines,
                     "Sense, learn from the last transition, choose; mode 1: terminated, 2: truncated.")  # fmt: skip


def _emit_sense(out: Source, functions: Functions, model: AgentModel, drive: str, shown: str) -> None:
    out.add("counters[DECISION] += 1", "encode(observation, code, encoder_scratch, encoder_p)")
    with out.block(f"for i in range({drive}.shape[0]):"):
        out.add(f"{drive}[i] = real(code[i])")
    with out.block("for i in range(spike_count.shape[0]):"):
        out.add("spike_count[i] = 0.0", "first_spike[i] = -1")
    out.add(functions.call("advance", "learning", "exploration"))
    if model.value is None:
        return
    critic = model.readouts[-1]
    size = critic.size(model.network.population(critic.population).size)
    read = f"spike_count[{len(model.readouts) - 1}]"
    if shown:
        read = "shown"
        out.add("shown = 0.0")
        with out.block(f"for j in range({critic.start}, {critic.start + size}):"):
            out.add(f"shown += {shown}[j]")
    out.add(f"value = value_p[1] * ({read} / {float(size)} - value_p[0])")
    with out.block("if counters[EPISODE_STEP] != 0:"):
        out.add("value = control[VALUE] + value_p[2] * (value - control[VALUE])")


def _emit_learn(out: Source, functions: Functions, model: AgentModel, steps: int) -> None:
    if isinstance(model.signal, TDError):
        out.add("gamma = signal_p[0]")
        out.add("error = (1.0 - gamma) * control[LAST_REWARD] + gamma * value - control[VALUE]")
        out.add("error = min(max(error, -signal_p[1]), signal_p[1])")
    else:
        out.add("error = 0.0")
    out.add("first = counters[EPISODE_STEP] == 0")
    out.add("control[SUCCESS] = min(1.0, control[RECENT] * signal_p[2])")
    out.add("td_error = real(0.0 if first else error)")
    out.add("reward = real(0.0 if first else control[LAST_REWARD])")
    out.add("reward_error = real(0.0 if first else control[LAST_REWARD_ERROR])")
    old = [f"real(control[{name}])" for name in ("TD_ERROR", "REWARD", "REWARD_ERROR")]
    out.add(
        f"end = 0 if mode == 1 else {steps}", "reward_step = 2 * counters[DECISION] + (1 if mode == 1 else 0)"
    )
    out.add(functions.call("apply_reward", "end", "reward_step", "learning", "exploration", "td_error", "reward",
                           "reward_error", *old))  # fmt: skip
    out.add("control[TD_ERROR], control[REWARD], control[REWARD_ERROR] = td_error, reward, reward_error")
    out.add("control[VALUE] = value")


END_EPISODE = '''

@njit(nogil=True)
def end_episode(stop, counters, control, lengths, rewards):
    """Book an episode; stop holds [episodes, window, threshold, consolidation].

    A negative threshold is a cost of 1 per step: minus the mean length has to reach it.
    """
    episode = counters[EPISODE]
    lengths[episode] = counters[EPISODE_STEP]
    rewards[episode] = control[EPISODE_REWARD]
    episode += 1
    counters[EPISODE] = episode
    counters[EPISODE_STEP] = 0
    counters[MODE] = 0
    control[EPISODE_REWARD] = 0.0
    recent = 0.0
    n_recent = min(episode, 20)
    for k in range(episode - n_recent, episode):
        recent += lengths[k]
    control[RECENT] = recent / n_recent
    window = int(stop[1])
    if counters[SOLVED_AT] < 0 and episode >= window:
        total = 0.0
        for k in range(episode - window, episode):
            total += lengths[k]
        if (total if stop[2] >= 0.0 else -total) >= stop[2] * window:
            counters[SOLVED_AT] = episode
    if episode >= stop[0] or (counters[SOLVED_AT] >= 0 and episode >= counters[SOLVED_AT] + stop[3]):
        counters[FINISHED] = 1


@njit(nogil=True)
def take_reward(gain, terminated, truncated, learning, time_constant, counters, control):
    """Note the reward of the last action, and whether the episode ends with it."""
    control[LAST_REWARD] = gain
    control[LAST_REWARD_ERROR] = gain - control[MEAN_REWARD]
    if learning and time_constant > 0.0:
        control[MEAN_REWARD] += control[LAST_REWARD_ERROR] / time_constant
    control[EPISODE_REWARD] += gain
    counters[EPISODE_STEP] += 1
    counters[ENV_STEPS] += 1
    counters[MODE] = 1 if terminated else (2 if truncated else 0)
'''


def emit_run(functions: Functions, reset_stream: int, n_observation: int) -> None:
    """Emit the closed loop with a compiled task inside."""
    out = Source()
    out.add("steps = 0")
    with out.block("while counters[FINISHED] == 0 and counters[ERROR] == 0 and steps < budget:"):
        with out.block("if counters[EPISODE_STEP] == 0:"):
            out.add(functions.call("begin_episode"))
            out.add(f"key_low, key_high = step_key(streams[{reset_stream}], counters[EPISODE])")
            with out.block("for k in range(uniforms.shape[0]):"):
                out.add("uniforms[k] = float(bits(key_low, key_high, k)) * 2.0**-32")
            out.add("task_reset(world, uniforms, task_p)", "task_observe(world, observation, task_p)")
        out.add("action = " + functions.call("step_agent", "counters[MODE]", "learning", "exploration"))
        with out.block("if counters[MODE] != 0:"):
            out.add("end_episode(stop, counters, control, lengths, rewards)", "continue")
        out.add("row = counters[DECISION] - 1 - counters[RECORD_FROM]")
        with out.block("if row < trace.shape[0]:"):
            out.add("trace[row, 0], trace[row, 1], trace[row, 2] = control[VALUE], control[TD_ERROR], action")
            with out.block(f"for k in range({n_observation}):"):
                out.add("trace[row, 4 + k] = observation[k]")
        with out.block("for k in range(world.shape[0]):"):
            out.add("before[k] = world[k]")
        out.add("terminated = task_step(world, action, task_p)", "task_observe(world, observation, task_p)")
        out.add("step = counters[EPISODE_STEP] + 1")
        out.add("gain = task_reward(before, world, terminated, step, control[RECENT], reward_p)")
        with out.block("if row < trace.shape[0]:"):
            out.add("trace[row, 3] = gain")
        with out.block("if not (abs(gain) < 1e300):"):
            out.add("counters[ERROR] = -1", "break")
        out.add("truncated = step >= max_steps and not terminated")
        out.add(
            "take_reward(gain, terminated, truncated, learning, time_constant, counters, control)",
            "steps += 1",
        )
    functions.define("run_loop", ["budget", "max_steps", "learning", "exploration", "time_constant", "stop"], out.lines,
                     "Run one agent for at most budget environment steps, or until it has finished.")  # fmt: skip
