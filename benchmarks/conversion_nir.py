"""A trained cart-pole agent as a NIR graph in Norse and in snnTorch, spike by spike beside snnrl.

The dense actor-critic is converted to plain integrate-and-fire neurons with either reset and written as NIR; the peers read
the file in an environment of their own and see the observations of the agent's own episodes. In NIR a spike passes all
layers in its own step, here it takes one step to the next, so layer k (from 0) is compared k steps later here.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine, report
from benchmarks.client import ROOT, PeerError
from benchmarks.environments import peer_python
from snnrl import tasks
from snnrl.conversion.build import spiking_equivalent
from snnrl.conversion.measure import play
from snnrl.conversion.nir_file import write_nir
from snnrl.conversion.options import ConversionOptions
from snnrl.conversion.sources import load
from snnrl.engines.fast.prepare import lowered_agent
from snnrl.engines.registry import make_simulator
from snnrl.model import AgentModel
from snnrl.networks.dense import DenseNetwork

RESULTS = Path(__file__).resolve().parent / "results"
SEED, CALIBRATION_SEED = 7_400_300, 40_000
PEERS = {"norse": "Norse", "snntorch": "snnTorch"}
RESETS = ("zero", "subtract")
Spikes = Mapping[str, NDArray[np.bool_]]


def ours(model: AgentModel, states: NDArray[np.float64]) -> Spikes:
    """Return the spikes here by population, ``[states, steps, neurons]``."""
    simulator = make_simulator(
        "torch", model.network, lowered_agent(model), range(len(states)), "float64", ()
    )
    names = [n.name for n in model.network.neurons if n.threshold]
    nobody = np.zeros(len(states), dtype=bool)

    def once() -> Any:
        codes = np.stack([model.encoder.encode(row) for row in states])
        simulator.write(model.encoder.population, model.encoder.variable, codes)
        yield nobody

    simulator.begin_episode(np.ones(len(states), dtype=bool))
    simulator.drive(once())
    return {name: np.array(simulator.spikes(name), dtype=bool) for name in names}


def theirs(peer: str, graph: Path, states: NDArray[np.float64], steps: int, python: Path) -> Spikes:
    """Return the spikes of a peer.

    Raises
    ------
    PeerError
        If it breaks down; the message is the last line of what it said.
    """
    given, target = graph.with_suffix(".in.npz"), graph.with_suffix(".out.npz")
    np.savez(given, states=states, steps=steps)
    command = [
        str(python),
        "-m",
        "benchmarks.conversion_nir_peers",
        peer,
        str(graph),
        str(given),
        str(target),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PeerError(f"{PEERS[peer]}: {(done.stderr.strip() or 'no message').splitlines()[-1]}")
    with np.load(target) as answer:
        return {name: answer[name] for name in answer.files}


def differing(here: Spikes, there: Spikes) -> list[dict[str, Any]]:
    """Return spikes and differing spikes by layer; layer k is shifted by k steps."""
    rows = []
    for k, name in enumerate(sorted(here)):
        steps = here[name].shape[1]
        late, early = here[name][:, k:], there[name][:, : steps - k]
        rows.append({"layer": name, "spikes": int(late.sum()), "differing": int((late != early).sum()),
                     "unlike_states": int((late != early).any(axis=(1, 2)).sum())})  # fmt: skip
    return rows


def measured(network: DenseNetwork, steps: int, count: int, python: Path) -> list[dict[str, Any]]:
    """Return a row for each reset, peer and layer."""
    task, rows = tasks.make("cartpole"), list[dict[str, Any]]()
    calibration = play(network, task, 20, CALIBRATION_SEED, stray=0.1).states
    met = play(network, task, 10, SEED).states
    states = met[np.linspace(0, len(met) - 1, count).astype(int)]
    for reset in RESETS:
        model = spiking_equivalent(
            network, calibration, ConversionOptions(steps, correction=False, reset=reset)
        )
        here = ours(model, states)
        with tempfile.TemporaryDirectory() as folder:
            graph = Path(folder) / "agent.nir"
            write_nir(model, graph)
            for peer, title in PEERS.items():
                there = theirs(peer, graph, states, steps, python)
                rows += [{"reset": reset, "peer": title, **row} for row in differing(here, there)]
    return rows


def table_of(rows: Sequence[Mapping[str, Any]], states: int) -> str:
    """Return the table."""
    head = ["reset", "package", "layer", "spikes here", "differing", f"of {states} states unlike"]
    cells = [
        [
            r["reset"],
            r["peer"],
            r["layer"],
            f"{r['spikes']:,}",
            f"{r['differing']:,}",
            str(r["unlike_states"]),
        ]
        for r in rows
    ]
    return report.table(head, cells)


def page(data: dict[str, Any]) -> str:
    """Return the page of results."""
    listed = "\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in data["machine"].items())
    return f"""# A converted agent in Norse and snnTorch, by NIR

Made by `{data["command"]}`: the dense CartPole-v1 actor-critic as plain integrate-and-fire neurons, T = {data["steps"]},
{data["states"]} observations from its own episodes (seed {SEED:,}). A differing spike is a neuron and a step in which one of the two
fires and the other does not. In NIR a spike passes all layers in its own step, here it takes one step to the next: layer k (from 0) is
compared k steps later here. The peers count in float32, snnrl in float64.

{table_of(data["rows"], data["states"])}

Reset to zero is what NIR means by IF: no spike may differ. A reset by subtraction stands in the metadata. Norse knows the reset to
zero only and so runs another network. snnTorch is told of it; where a membrane is still above the threshold after a reset, it takes
the next threshold off before it asks whether the neuron fires again (`Leaky.forward` with `reset_delay=False`, as its import makes
it), snnrl afterwards. This is heard in the second layer, whose input may fall while the membrane is high.
`benchmarks/conversion_nir_peers.py` sets leak and reset of snnTorch's neurons, which its import makes leaky (beta = 0.9).

The machine:

{listed}
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, print the table, write what was asked for; 1 if a spike differs after a reset to zero, 2 without peers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conversion_nir", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument(
        "--network", metavar="SOURCE", default="runs/dense-cartpole", help="a trained dense ReLU network"
    )
    parser.add_argument("--steps", type=int, default=64, help="time steps of a decision (64)")
    parser.add_argument("--states", type=int, default=200, help="observations (200)")
    parser.add_argument(
        "--python", type=Path, metavar="PATH", help="an interpreter that has Norse and snnTorch"
    )
    parser.add_argument("--no-install", action="store_true", help="do not install them")
    parser.add_argument("--save", action="store_true", help=f"write conversion_nir.json and .md to {RESULTS}")
    words = sys.argv[1:] if argv is None else argv
    arguments = parser.parse_args(words)
    try:
        python = peer_python("conversion", arguments.python, not arguments.no_install)
        rows = measured(load(arguments.network), arguments.steps, arguments.states, python)
    except (PeerError, OSError) as error:
        print(f"conversion_nir: {error}", file=sys.stderr)
        return 2
    print(table_of(rows, arguments.states))
    if arguments.save:
        data = {"command": " ".join(["python -m benchmarks.conversion_nir", *words]), "machine": machine.describe(),
                "steps": arguments.steps, "states": arguments.states, "rows": rows}  # fmt: skip
        report.write_json(RESULTS / "conversion_nir.json", data)
        report.write(RESULTS / "conversion_nir.md", page(data))
    return int(any(row["differing"] for row in rows if row["reset"] == "zero"))


if __name__ == "__main__":
    sys.exit(main())
