"""Four forms of one student on real frames of Pong, which have to spike alike.

A student in torch (evaluation), the integer network folded from it, bit-packed inference, and its mapped
cores simulated tick by tick. The frames are 84 x 84 grey, every fourth of the game, stacks of four; for the
1-chip student the play field is resized into the 74 x 74 pixels that it sees. The student is untrained:
random ternary weights, and normalisation statistics from frames of other episodes, so that its neurons
neither all spike nor all rest.
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from benchmarks import machine, report
from snnrl.engines.truenorth.on_chip import ChipStudent
from snnrl.engines.truenorth.packed import PackedNetwork
from snnrl.networks.truenorth import STUDENTS, IntegerNetwork
from snnrl.networks.truenorth.energy import joules
from snnrl.networks.truenorth.mapping import map_network
from snnrl.networks.truenorth.play_field import place_play_field
from snnrl.networks.truenorth.students import Student

RESULTS = Path(__file__).resolve().parent / "results"
EXAMPLE = """
examples:
  python -m benchmarks.truenorth_frames --teacher /path/to/iko_acktr_Pong.sd.pt --save
  python -m benchmarks.truenorth_frames --students mini --frames 50        random actions, a minute
"""
FIELD = (34, 194)
"""Rows of the play field of Pong."""
EPSILON = 0.05
SKIP, STACK = 4, 4
WARM_UP, BATCH = 20, 32
"""Batches from which the normalisation statistics come."""
Stacks = NDArray[np.int16]


class Teacher:
    """A convolutional actor from a state dict, or random actions.

    Parameters
    ----------
    path
        State dict of ``c1, c2, c3, fc, pi``: 8 x 8 stride 4, 4 x 4 stride 2, 3 x 3, fully connected, logits.
    """

    def __init__(self, path: Path | None) -> None:
        self.weights = None if path is None else torch.load(path, weights_only=True, map_location="cpu")

    def action(self, stack: NDArray[np.uint8], rng: np.random.Generator) -> int:
        """Return the best action, or with probability 0.05 any."""
        if self.weights is None or rng.random() < EPSILON:
            return int(rng.integers(6))
        return int(self.logits(stack[None]).argmax())

    @torch.inference_mode()
    def logits(self, stacks: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits ``[batch, 6]`` for stacks of whole screens, ``uint8[batch, 4, 84, 84]``."""
        assert self.weights is not None
        w, x = self.weights, torch.from_numpy(stacks).float() / 255
        for name, stride in (("c1", 4), ("c2", 2), ("c3", 1)):
            x = functional.relu(functional.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride))
        x = functional.relu(functional.linear(x.flatten(1), w["fc.weight"], w["fc.bias"]))
        return np.asarray(functional.linear(x, w["pi.weight"], w["pi.bias"]).numpy())


def play(teacher: Teacher, seed: int, field: bool = False) -> Iterator[NDArray[np.uint8]]:
    """Play Pong without end; give stacks of four whole screens, or of play fields of 74 pixels."""
    from ale_py import ALEInterface, LoggerMode, roms

    ALEInterface.setLoggerMode(LoggerMode.Error)
    game = ALEInterface()
    game.setInt("random_seed", seed)
    game.setFloat("repeat_action_probability", 0.0)
    game.loadROM(roms.get_rom_path("pong"))
    actions, rng = game.getMinimalActionSet(), np.random.default_rng(seed)
    screens: deque[NDArray[np.uint8]] = deque(maxlen=STACK)
    fields: deque[NDArray[np.uint8]] = deque(maxlen=STACK)
    while True:
        game.reset_game()
        screens.extend([np.zeros((84, 84), np.uint8)] * STACK)
        fields.extend(screens)
        for _ in range(int(rng.integers(1, 31))):
            game.act(0)
        while not game.game_over():
            screen = game.getScreenGrayscale()
            screens.append(place_play_field(screen, 84))
            if field:
                fields.append(place_play_field(screen, 74, rows=FIELD))
            stack = np.stack(screens)
            yield np.stack(fields) if field else stack
            action = teacher.action(stack, rng)
            for _ in range(SKIP):
                game.act(actions[action])


def stacks(spec_name: str, teacher: Teacher, seed: int, n: int) -> Stacks:
    """Return ``n`` stacks of four frames as a student of this name sees them."""
    found = play(teacher, seed, field=STUDENTS[spec_name].visible < 84)
    return np.stack([next(found) for _ in range(n)]).astype(np.int16)


def measure(name: str, teacher: Teacher, n: int) -> dict[str, Any]:
    """Return how many output spikes and actions of the four forms differ, and the traffic on the chip."""
    torch.manual_seed(0)
    student = Student(name, 6).train()
    with torch.no_grad():
        for batch in stacks(name, teacher, seed=1, n=WARM_UP * BATCH).reshape(WARM_UP, BATCH, STACK, 84, 84):
            student(torch.from_numpy(batch))
    student.eval()
    network, frames = student.to_integer(), stacks(name, teacher, seed=2, n=n)
    packed, chip = PackedNetwork(network), ChipStudent(network, map_network(network))
    with torch.inference_mode():
        parts = np.array_split(frames, -(-n // BATCH))
        torch_spikes = torch.cat([student.spikes(torch.from_numpy(part))[-1] for part in parts])
    outputs = {
        "torch": torch_spikes.numpy().astype(bool),
        "packed": np.stack([packed.activations(frame)[-1] for frame in frames]),
        "chip": chip.outputs(frames),
    }
    expected = network.outputs(frames)
    actions = network.count_actions(expected).argmax(axis=1)
    assert chip.traffic is not None
    return {
        "student": name,
        "frames": n,
        "different_spikes": {form: int(np.sum(spikes != expected)) for form, spikes in outputs.items()},
        "different_actions": {
            form: int(np.sum(network.count_actions(s).argmax(axis=1) != actions))
            for form, s in outputs.items()
        },
        "output_rate": float(expected.mean()),
        "distinct_outputs": len(np.unique(expected.reshape(n, -1), axis=0)),
        "actions_taken": np.bincount(actions, minlength=6).tolist(),
        "layer_rates": _rates(network, packed.layer_spikes(frames)),
        "spikes_per_frame": chip.traffic.spikes,
        "events_per_frame": chip.traffic.events,
        "joules_per_frame": joules(chip.traffic.events),
    }


def _rates(network: IntegerNetwork, spikes: NDArray[np.int64]) -> list[float]:
    return [
        float(s / place.neurons) for s, place in zip(spikes.mean(axis=0), network.spec.places(), strict=True)
    ]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table."""
    head = ["student", "frames", "different output spikes: torch, packed, chip", "different actions", "distinct outputs",
            "output rate", "spikes/frame", "events/frame", "mJ/frame at 26 pJ"]  # fmt: skip
    cells = [
        [
            row["student"],
            str(row["frames"]),
            ", ".join(map(str, row["different_spikes"].values())),
            ", ".join(map(str, row["different_actions"].values())),
            str(row["distinct_outputs"]),
            report.number(row["output_rate"]),
            f"{row['spikes_per_frame']:,.0f}",
            f"{row['events_per_frame']:,.0f}",
            report.number(1000 * row["joules_per_frame"]),
        ]
        for row in rows
    ]
    return report.table(head, cells)


def _page(rows: Sequence[dict[str, Any]], who: str) -> str:
    return f"""# TrueNorth students on real frames

Made by `python -m benchmarks.truenorth_frames --teacher FILE --save`. Pong, {who}; frames and students as in the script's
head. Each form is compared with the integer network, output spike by output spike. The students are untrained; half of their
neurons spike, which a trained and sparse student's do not, so the traffic is an upper end.

{table(rows)}
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.truenorth_frames", description=__doc__, epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--students", nargs="+", choices=sorted(STUDENTS), default=["mini", "1-chip"])
    parser.add_argument("--frames", type=int, default=1000, help="frames compared")
    parser.add_argument(
        "--teacher", type=Path, help="state dict of a convolutional actor; without it random actions"
    )
    parser.add_argument("--save", action="store_true", help="keep page and numbers in benchmarks/results")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    teacher = Teacher(options.teacher)
    rows = [measure(name, teacher, options.frames) for name in options.students]
    print(table(rows))
    if options.save:
        who = (
            "random actions"
            if options.teacher is None
            else f"played by {options.teacher.name}, epsilon {EPSILON}"
        )
        data = {"machine": machine.describe(), "teacher": who, "rows": rows}
        report.write_json(RESULTS / "truenorth_frames.json", data)
        report.write(RESULTS / "truenorth_frames.md", _page(rows, who))


if __name__ == "__main__":
    main()
