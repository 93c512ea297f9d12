"""Make the agent that ships with the demo: ``python -m snnrl.demo.pretrain cartpole``.

It learns as any agent does, first undisturbed, then from starts all over the track, kicked and pushed at random, so that
it has met what spectators do to it. `endurance` is the test that it has to pass with plasticity off.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from snnrl.demo.agents import FOLDER, own_config, packed, pretrained
from snnrl.demo.live import LiveAgent, Start
from snnrl.demo.messages import Command
from snnrl.demo.scenes import Scene, scene
from snnrl.engines.books import Counter

KICK, PERIOD, MINUTES = 5.0, 5.0, 10.0
"""The test: degrees/s, every so many seconds, for so long."""
QUIET, DISTURBED = 120, 300
"""Learning episodes without and with disturbances."""
STRONGEST = 2.5
"""Strongest disturbance in learning, in units of the scene's."""
CANDIDATES, TRIALS, HARD = 4, (1, 2, 3), 20.0
"""Agents trained, seeds of the noise that choose among them, and the kick (degrees/s) at which they are compared."""
HELD_OUT = range(5_000_000, 5_000_005)
"""Seeds of the noise on which the chosen agent is reported."""
INTERVAL = (1.0, 4.0)
"""Seconds between two disturbances in learning, uniform."""


def learn(shown: Scene, seed: int, quiet: int = QUIET, disturbed: int = DISTURBED) -> LiveAgent:
    """Return an agent that has learned."""
    agent = LiveAgent(Start(shown.task, own_config(shown, seed), seed, learning=True))
    counters = agent.session.state["counters"][0]
    rng = np.random.default_rng(seed)
    wait, begun = 0, quiet - 1
    while counters[Counter.EPISODE] < quiet + disturbed:
        agent.step(show=False)
        wait -= 1
        if counters[Counter.EPISODE] > begun:
            begun = counters[Counter.EPISODE]
            for state, half_width in shown.starts.items():
                agent.nudge(state, float(rng.uniform(-half_width, half_width)))
        if counters[Counter.EPISODE] >= quiet and wait <= 0 and shown.disturbances:
            state, amount = shown.disturbances[rng.integers(len(shown.disturbances))]
            agent.nudge(state, float(rng.uniform(0.0, STRONGEST)) * amount)
            wait = round(rng.uniform(*INTERVAL) / agent.env_step)
    return agent


def endurance(
    agent: LiveAgent, minutes: float = MINUTES, state: str = "theta_dot", kick: float = KICK
) -> list[float]:
    """Kick an agent every `PERIOD` seconds, to alternating sides, with plasticity off.

    Returns
    -------
    list
        Simulated seconds at which it failed; empty if it never did.
    """
    agent.set_learning(False)
    period, failed = round(PERIOD / agent.env_step), []
    counters = agent.session.state["counters"][0]
    for step in range(round(60 * minutes / agent.env_step)):
        if step and step % period == 0:
            agent.nudge(state, math.radians(kick) * (-1) ** (step // period))
        agent.step(show=False)
        if counters[Counter.MODE]:
            failed.append(step * agent.env_step)
    return failed


def choose(shown: Scene, candidates: int = CANDIDATES) -> LiveAgent:
    """Return the agent that fails least often under kicks four times as strong as asked for."""
    best, fewest = None, math.inf
    for seed in range(candidates):
        agent = learn(shown, seed)
        failures = sum(_failures(agent, trial, HARD) for trial in TRIALS)
        print(f"agent {seed}: {failures} failures at {HARD:g} degrees/s")
        if failures < fewest:
            best, fewest = agent, failures
    assert best is not None
    return best


def _failures(agent: LiveAgent, seed: int, kick: float) -> int:
    agent.session.reseed([seed])
    agent.apply(Command("reset"))
    return len(endurance(agent, kick=kick))


def main() -> None:
    """Make one agent and write it into the package."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("task", nargs="?", default="cartpole")
    parser.add_argument("--candidates", type=int, default=CANDIDATES)
    parser.add_argument("--out", type=Path, default=None, help="by default the package's own file")
    options = parser.parse_args()
    shown = scene(options.task)
    agent = choose(shown, options.candidates)
    content = packed(agent.config, agent.session.learned(), LiveAgent(agent.start).session.learned())
    out = options.out or Path(__file__).parent / FOLDER / f"{shown.task}.npz"
    out.parent.mkdir(exist_ok=True)
    out.write_bytes(content)
    print(f"{out}: {len(content) / 1024:.0f} KiB")
    for seed in HELD_OUT:
        failures = len(endurance(LiveAgent(pretrained(shown.task, seed))))
        print(f"noise seed {seed}: {failures} failures in {MINUTES:g} minutes")


if __name__ == "__main__":
    main()
