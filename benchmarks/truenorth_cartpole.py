"""A cart-pole actor distilled under TrueNorth's constraints, played in packed form and by its mapped cores.

The teacher is a dense actor: a run of `snnrl train cartpole --network dense`, or any file that
`snnrl.conversion.sources` reads. The student learns the teacher's answers on the states that it visits itself
(DAgger), always at episodes with seeds below 100,000; the reported episodes start from seeds that were not
used before.
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
from snnrl.conversion import sources
from snnrl.engines.truenorth.on_chip import ChipStudent
from snnrl.engines.truenorth.packed import PackedNetwork
from snnrl.networks.truenorth import IntegerNetwork
from snnrl.networks.truenorth.cartpole import CARTPOLE, cartpole_frames
from snnrl.networks.truenorth.distillation import optimiser_of, settle_statistics, train_batch
from snnrl.networks.truenorth.energy import joules
from snnrl.networks.truenorth.mapping import map_network
from snnrl.networks.truenorth.students import Student

RESULTS = Path(__file__).resolve().parent / "results"
EXAMPLE = """
examples:
  snnrl train cartpole --network dense --seeds 1 --out teacher
  python -m benchmarks.truenorth_cartpole teacher --save
"""
Policy = Callable[[NDArray[np.float64]], NDArray[np.int64]]
Observations = NDArray[np.float64]
EPISODES, STEPS, BATCH, ROUNDS = 20, 400, 256, 3
CHIP_STEPS = 10_000
FIRST_SEED = 2_750_000
"""Of the reported episodes."""


def play(policy: Policy, seeds: Sequence[int], spread: float = 0.0) -> tuple[list[int], Observations]:
    """Play CartPole-v1 episodes side by side; return their lengths and every state visited.

    Parameters
    ----------
    policy
        Actions for states.
    seeds
        One episode each.
    spread
        Probability of a random action, so that learning sees more than the middle of the track.
    """
    import gymnasium

    environments = [gymnasium.make("CartPole-v1") for _ in seeds]
    states = np.array([e.reset(seed=int(s))[0] for e, s in zip(environments, seeds, strict=True)], np.float64)
    rng, alive, lengths = (
        np.random.default_rng(seeds[0]),
        np.ones(len(seeds), bool),
        np.zeros(len(seeds), int),
    )
    visited = []
    while alive.any():
        rows = np.flatnonzero(alive)
        visited.append(states[rows])
        actions = policy(states[rows])
        actions = np.where(rng.random(len(rows)) < spread, rng.integers(0, 2, len(rows)), actions)
        for row, action in zip(rows, actions, strict=True):
            states[row], _, terminated, truncated, _ = environments[row].step(int(action))
            lengths[row] += 1
            alive[row] = not (terminated or truncated)
    return lengths.tolist(), np.concatenate(visited)


def through(student: Any) -> Policy:
    """Return the policy of a student in any form."""
    return lambda states: student.actions(cartpole_frames(states))


def distil(teacher: Any, seed: int) -> tuple[IntegerNetwork, list[float]]:
    """Return the student that holds out longest on fresh training episodes, and every step's divergence."""
    torch.manual_seed(seed)
    rng, student = np.random.default_rng(seed), Student(CARTPOLE, 2)
    optimiser, curve = optimiser_of(student), []
    states = play(teacher.actions, range(EPISODES), spread=0.2)[1]
    found: list[tuple[float, IntegerNetwork]] = []
    for number in range(1, ROUNDS + 1):
        frames, answers = cartpole_frames(states), teacher.logits(states).astype(np.float32)
        for group in optimiser.param_groups:
            group["lr"] *= 0.8
        for _ in range(STEPS):
            rows = rng.integers(0, len(frames), BATCH)
            inputs, wanted = torch.from_numpy(frames[rows]), torch.from_numpy(answers[rows])
            curve.append(train_batch(student, optimiser, inputs, wanted))
        shuffled = np.array_split(frames[rng.permutation(len(frames))], -(-len(frames) // 4096))
        settle_statistics(student, map(torch.from_numpy, shuffled))
        network = student.to_integer()
        policy, first = through(PackedNetwork(network)), 1000 * number
        noisy, seen = play(policy, range(first, first + EPISODES), spread=0.05)
        fair = float(np.mean(play(policy, range(first + 500, first + 500 + EPISODES))[0]))
        print(
            f"round {number}: divergence {np.mean(curve[-100:]):.3f}, mean length {fair:.0f}, noisy {np.mean(noisy):.0f}"
        )
        found.append((fair, network))
        states = np.concatenate([states, seen])[-200_000:]
    return max(reversed(found), key=lambda pair: pair[0])[1], curve


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
    network, curve = distil(teacher, options.seed)
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
