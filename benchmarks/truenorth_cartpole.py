"""A cart-pole actor distilled under TrueNorth's constraints, played in packed form and by its mapped cores.

The teacher is a dense actor: a run of `snnrl train cartpole --network dense`, or any file that
`snnrl.conversion.sources` reads. The student is distilled as `snnrl train cartpole --network truenorth` does it;
the reported episodes are Gymnasium's, from seeds that were not used before.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import report
from snnrl import tasks
from snnrl.conversion import sources
from snnrl.engines.truenorth.on_chip import ChipStudent
from snnrl.engines.truenorth.packed import PackedNetwork
from snnrl.engines.world import physics_module
from snnrl.networks.truenorth import IntegerNetwork
from snnrl.networks.truenorth.cartpole import cartpole_frames
from snnrl.networks.truenorth.energy import joules
from snnrl.networks.truenorth.mapping import map_network
from snnrl.tasks import rewards
from snnrl.training.dense_slots import Stage
from snnrl.training.truenorth_distillation import best, distil
from snnrl.training.truenorth_session import FIRST_EPISODE

RESULTS = Path(__file__).resolve().parent / "results"
EXAMPLE = """
examples:
  snnrl train cartpole --network dense --seeds 1 --out teacher
  python -m benchmarks.truenorth_cartpole teacher --save
"""
Policy = Callable[[NDArray[np.float64]], NDArray[np.int64]]
Observations = NDArray[np.float64]
CHIP_STEPS = 10_000
FIRST_SEED = 2_770_000
"""Of the reported episodes; an earlier set of numbers took those from 2,750,000 on."""


def play(policy: Policy, seeds: Sequence[int]) -> tuple[list[int], Observations]:
    """Play CartPole-v1 episodes of Gymnasium side by side; return their lengths and every state visited.

    Parameters
    ----------
    policy
        Actions for states.
    seeds
        One episode each.
    """
    import gymnasium

    environments = [gymnasium.make("CartPole-v1") for _ in seeds]
    states = np.array([e.reset(seed=int(s))[0] for e, s in zip(environments, seeds, strict=True)], np.float64)
    alive, lengths = np.ones(len(seeds), bool), np.zeros(len(seeds), int)
    visited = []
    while alive.any():
        rows = np.flatnonzero(alive)
        visited.append(states[rows])
        for row, action in zip(rows, policy(states[rows]), strict=True):
            states[row], _, terminated, truncated, _ = environments[row].step(int(action))
            lengths[row] += 1
            alive[row] = not (terminated or truncated)
    return lengths.tolist(), np.concatenate(visited)


def through(student: Any) -> Policy:
    """Return the policy of a student in any form."""
    return lambda states: student.actions(cartpole_frames(states))


def distilled(teacher: Any, seed: int) -> tuple[IntegerNetwork, list[float]]:
    """Return the student of `snnrl train cartpole --network truenorth`, and every batch's divergence."""
    task = tasks.make("cartpole")
    reward = rewards.make("environment").bind(task)
    rounds = []
    for found in distil(teacher, Stage(task, reward, physics_module(task, reward), seed), FIRST_EPISODE):
        rounds.append(found)
        divergence = np.mean(found.divergences[-100:])
        print(f"round {len(rounds)}: divergence {divergence:.3f}, mean length {found.length:.0f}")
    return best(rounds), [each for found in rounds for each in found.divergences]


def on_cores(network: IntegerNetwork, chip: ChipStudent) -> tuple[int, int]:
    """Play until the chip has decided 10,000 times; return differences from the integers, and decisions."""
    different = decisions = episode = 0
    while decisions < CHIP_STEPS:
        states = play(through(chip), [FIRST_SEED + 10_000 + episode])[1]
        frames = cartpole_frames(states)
        different += int(np.sum(chip.actions(frames) != network.actions(frames)))
        decisions, episode = decisions + len(states), episode + 1
    return different, decisions


def main(argv: Sequence[str] | None = None) -> None:
    """Distil, play and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.truenorth_cartpole", description=__doc__, epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("teacher", help="run folder or file of a dense actor")
    parser.add_argument("--seed", type=int, default=0, help="of the student")
    parser.add_argument("--episodes", type=int, default=100, help="reported episodes")
    parser.add_argument("--student", type=Path, help="keep the packed student here")
    parser.add_argument("--save", action="store_true", help="keep the numbers in benchmarks/results")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    teacher: Any = sources.load(options.teacher)
    network, curve = distilled(teacher, options.seed)
    if options.student:
        network.save(options.student)
    numbers = measure(teacher, network, options.episodes) | {"divergence_start": float(np.mean(curve[:20])),
                                                             "divergence_end": float(np.mean(curve[-100:]))}  # fmt: skip
    print(
        report.table(["", "value"], [[key.replace("_", " "), str(value)] for key, value in numbers.items()])
    )
    if options.save:
        report.write_json(RESULTS / "truenorth_cartpole.json", numbers)


def measure(teacher: Any, network: IntegerNetwork, episodes: int) -> dict[str, Any]:
    """Return the reported numbers: returns of teacher and student, and the comparison with the cores."""
    packed, chip = PackedNetwork(network), ChipStudent(network, map_network(network))
    seeds = range(FIRST_SEED, FIRST_SEED + episodes)
    taught = play(teacher.actions, seeds)[0]
    learnt = play(through(packed), seeds)[0]
    different, decisions = on_cores(network, chip)
    assert chip.traffic is not None
    return {
        "episodes": episodes,
        "teacher_mean_return": float(np.mean(taught)),
        "student_mean_return": float(np.mean(learnt)),
        "student_shortest": int(np.min(learnt)),
        "decisions_on_cores": decisions,
        "different_actions_on_cores": different,
        "cores": chip.chip.n_cores,
        "events_per_decision": chip.traffic.events,
        "joules_per_decision": joules(chip.traffic.events),
        "packed_bytes": packed.memory,
    }


if __name__ == "__main__":
    main()
