"""Accuracy of a converted cart-pole actor-critic against the number of time steps, beside SpikingJelly and BindsNET.

One dense actor-critic is trained here (or given with --network), and every converter gets the same weights, calibration
states and test states. Each peer is run with several settings, and at every T the best of them counts, chosen on the
test states themselves, action agreement and value error each by itself: the most favourable reading. Of snnrl one setting
counts, its default.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine, report
from benchmarks.client import ROOT, PeerError
from benchmarks.environments import peer_python
from snnrl import tasks
from snnrl.conversion.build import spiking_equivalent
from snnrl.conversion.finetune import filled
from snnrl.conversion.measure import decide, play
from snnrl.conversion.options import ConversionOptions
from snnrl.networks.dense import Activation, DenseNetwork, Linear

RESULTS = Path(__file__).resolve().parent / "results"
STEPS = (4, 8, 16, 32, 64, 128)
SEED = 7_400_200
"""First seed of the test episodes."""
CALIBRATION_SEED = 40_000
EXAMPLE = """
examples:
  python -m benchmarks.conversion --network runs/my-dense-run          the tables, a few minutes
  python -m benchmarks.conversion --network runs/my-dense-run --save   the same, with page and figure in benchmarks/results
"""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One converter: action agreement and value error at every T.

    Parameters
    ----------
    name
        Of the converter.
    agreement, value_error
        ``[steps]``; the error is the root mean square.
    settings
        Which setting had the best agreement, ``[steps]``.
    """

    name: str
    agreement: list[float]
    value_error: list[float]
    settings: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the curve for JSON."""
        return {"name": self.name, "steps": list(STEPS), "action_agreement": self.agreement,
                "value_error": self.value_error, "settings": self.settings}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Workload:
    """A network and the states that it is judged on."""

    network: DenseNetwork
    calibration: FloatArray
    states: FloatArray

    @property
    def actions(self) -> NDArray[np.int64]:
        """What the dense network does."""
        return self.network.actions(self.states)

    @property
    def values(self) -> FloatArray:
        """What the dense network expects."""
        return self.network.values(self.states)


def workload(network: DenseNetwork, episodes: int) -> Workload:
    """Return the network with calibration states and fresh test states, both from its own episodes."""
    task = tasks.make("cartpole")
    calibration = play(network, task, 20, CALIBRATION_SEED, stray=0.1).states
    return Workload(network, calibration, play(network, task, episodes, SEED).states)


def ours(work: Workload, name: str, **options: Any) -> Curve:
    """Convert and run with snnrl."""
    agreement, errors = [], []
    for steps in STEPS:
        model = spiking_equivalent(work.network, work.calibration, ConversionOptions(steps=steps, **options))
        found = decide(filled(model)[0], work.states, "torch")  # full matrices: many times faster
        assert found.values is not None
        agreement.append(float(np.mean(found.actions == work.actions)))
        errors.append(float(np.sqrt(np.mean((found.values - work.values) ** 2))))
        print(f"{name}: T = {steps}, {agreement[-1]:.2%}, {errors[-1]:.4g}", file=sys.stderr)
    return Curve(name, agreement, errors, ["default"] * len(STEPS))


def theirs(work: Workload, name: str, module: str, python: Path) -> Curve:
    """Convert and run with a peer.

    Raises
    ------
    PeerError
        If it breaks down; the message is the last line of what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        seen = {
            "calibration": work.network.inputs(work.calibration),
            "states": work.network.inputs(work.states),
        }
        np.savez(source, steps=STEPS, **seen, **_weights(work.network))
        command = [str(python), "-m", "benchmarks.conversion_peers", module, str(source), str(target)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PeerError(f"{name}: {(done.stderr.strip() or 'no message').splitlines()[-1]}")
        answer = np.load(target)
        found = {key: answer[key] for key in answer.files}
    names = [key.removesuffix("/policy") for key in found if key.endswith("/policy")]
    agreement = np.array([(found[f"{s}/policy"].argmax(axis=2) == work.actions).mean(axis=1) for s in names])
    errors = np.array(
        [np.sqrt(((found[f"{s}/value"][..., 0] - work.values) ** 2).mean(axis=1)) for s in names]
    )
    best = agreement.argmax(axis=0)
    return Curve(f"{name} {found['version']}", agreement.max(axis=0).tolist(), errors.min(axis=0).tolist(),
                 [names[k] for k in best])  # fmt: skip


def _weights(network: DenseNetwork) -> dict[str, FloatArray]:
    """Return the numbers of a network of Linear and ReLU layers."""
    found: dict[str, FloatArray] = {}
    for name in ("policy", "value"):
        layers = [layer for layer in getattr(network, name) if not isinstance(layer, Activation)]
        for k, layer in enumerate(layers):
            assert isinstance(layer, Linear), "the peers are asked for fully connected layers"
            found |= {f"{name}_{k}_weight": layer.weight, f"{name}_{k}_bias": layer.bias}
    return found


def at_least_as_good(curves: Sequence[Curve]) -> bool:
    """Whether the first curve agrees at least as often as each of the peers at every T."""
    first = curves[0].agreement
    peers = [c for c in curves if not c.name.startswith("snnrl")]
    return all(a >= b for c in peers for a, b in zip(first, c.agreement, strict=True))


def table_of(curves: Sequence[Curve], part: str, form: str) -> str:
    """Return one measure of all curves."""
    rows = [[c.name, *(form.format(x) for x in getattr(c, part))] for c in curves]
    return report.table(["converter", *(f"T = {t}" for t in STEPS)], rows)


def page(data: dict[str, Any]) -> str:
    """Return the page of results."""
    curves = [
        Curve(c["name"], c["action_agreement"], c["value_error"], c["settings"]) for c in data["curves"]
    ]
    best = [f"- {c.name}: {', '.join(f'T = {t}: {s}' for t, s in zip(STEPS, c.settings, strict=True))}"
            for c in curves if not c.name.startswith("snnrl")]  # fmt: skip
    listed = "\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in data["machine"].items())
    verdict = "yes" if data["at_least_as_good"] else "no"
    return f"""# Conversion beside SpikingJelly and BindsNET

Made by `{data["command"]}`: one dense ReLU actor-critic for CartPole-v1, the same weights, calibration
states and {data["states"]:,} test states (episodes of the dense network from seed {SEED:,} on) for all. T is the number of
time steps of a decision, everything included; in SpikingJelly and in BindsNET (`one_step`) a spike passes all layers within
one step, in snnrl it takes one step to the next layer. Nothing was tuned on these
episodes; an earlier set, from seed 7,400,000 on, was run three times while the input of a peer was being mended.

Same action as the dense network:

{table_of(curves, "agreement", "{:.2%}")}

Root mean square error of the value, whose standard deviation is {data["value_spread"]:.3g}:

{table_of(curves, "value_error", "{:.3g}")}

![Agreement and value error against T](conversion.png)

Where all actions agree, the figure has the point at 0.01 %.

At least as good as both peers at every T: {verdict}.

Settings of the peers: SpikingJelly's `RateCodingRecipe` with the modes 99 %, 99.9 % and Max, and its
`LocalThresholdBalancingRecipe`; BindsNET's `ann_to_snn` with the percentiles 99, 99.9 and 100. Both are read by the mean of
what reaches the last layer. At every T the setting that agrees best on the test states counts:

{chr(10).join(best)}

The machine:

{listed}
"""


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.conversion", description=__doc__, epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "--network", metavar="SOURCE", help="a trained dense ReLU network; otherwise one is trained"
    )
    parser.add_argument("--episodes", type=int, default=20, help="test episodes (20)")
    parser.add_argument("--python", type=Path, metavar="PATH", help="an interpreter that has SpikingJelly")
    parser.add_argument("--no-install", action="store_true", help="do not install SpikingJelly")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument(
        "--save", action="store_true", help=f"write conversion.json, .md and .png to {RESULTS}"
    )
    return parser.parse_args(argv)


def _network(given: str | None) -> DenseNetwork:
    from snnrl.conversion.sources import load

    if given is not None:
        return load(given)
    import snnrl

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        snnrl.train("cartpole", network="dense", seeds=1, seed=40_000, out=out)
        return load(out)


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, print the tables, write what was asked for; 1 if a peer is better anywhere, 2 if one is missing."""
    words = sys.argv[1:] if argv is None else argv
    arguments = _parse(words)
    facts = machine.describe()
    try:
        python = peer_python("conversion", arguments.python, not arguments.no_install)
        work = workload(_network(arguments.network), arguments.episodes)
        curves = [
            ours(work, "snnrl"),
            ours(work, "snnrl without correction", correction=False),
            ours(work, "snnrl first-spike", code="first-spike"),
            theirs(work, "SpikingJelly", "spikingjelly", python),
            theirs(work, "BindsNET", "bindsnet", Path(sys.executable)),
        ]
    except (PeerError, OSError) as error:
        print(f"conversion: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("conversion: interrupted, nothing was written", file=sys.stderr)
        return 130
    print(table_of(curves, "agreement", "{:.2%}"))
    print(table_of(curves, "value_error", "{:.3g}"))
    command = " ".join(["python -m benchmarks.conversion", *words])
    data = {"command": command, "machine": facts, "states": len(work.states), "value_spread": float(work.values.std()),
            "at_least_as_good": at_least_as_good(curves), "curves": [c.as_dict() for c in curves]}  # fmt: skip
    if arguments.json is not None:
        report.write_json(arguments.json, data)
    if arguments.save:
        from snnrl.figures.conversion import accuracy

        accuracy(data, RESULTS / "conversion.png")
        report.write_json(RESULTS / "conversion.json", data)
        report.write(RESULTS / "conversion.md", page(data))
    return 0 if at_least_as_good(curves) else 1


if __name__ == "__main__":
    sys.exit(main())
