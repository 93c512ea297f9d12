"""NIR and Neo files of converted agents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnrl import cli, tasks
from snnrl.conversion.build import spiking_equivalent
from snnrl.conversion.convert import convert
from snnrl.conversion.measure import decide
from snnrl.conversion.nir_file import from_nir, read_nir, to_nir, write_nir
from snnrl.conversion.options import ConversionOptions
from snnrl.errors import InvalidValueError
from snnrl.model import AgentModel
from snnrl.networks.dense import Activation, DenseNetwork, Linear

STEPS = 12


def dense() -> DenseNetwork:
    random = np.random.default_rng(1)

    def chain(n_out: int) -> tuple[Any, ...]:
        sizes = ((4, 6), (6, 6), (6, n_out))
        layers = [Linear(random.normal(0.0, 0.6, (b, a)), random.normal(0.0, 0.2, b)) for a, b in sizes]
        return layers[0], Activation("relu"), layers[1], Activation("relu"), layers[2]

    return DenseNetwork((4,), chain(2), chain(1))


def states(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 1.0, (n, 4))


def plain(reset: str = "zero") -> AgentModel:
    options = ConversionOptions(STEPS, correction=False, reset=reset)
    return spiking_equivalent(dense(), states(200, 1), options)


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_nir_and_back_gives_the_same_spikes(reset: str, tmp_path: Path) -> None:
    model = plain(reset)
    write_nir(model, tmp_path / "agent.nir")
    back = read_nir(tmp_path / "agent.nir")
    assert [n.reset for n in back.network.neurons] == [n.reset for n in model.network.neurons]
    ours, theirs = (decide(m, states(60, 2), "torch") for m in (model, back))
    assert ours.spikes.mean() > 5.0
    np.testing.assert_array_equal(ours.spikes, theirs.spikes)
    np.testing.assert_allclose(ours.logits, theirs.logits, atol=1e-12)
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-12)


def test_the_graph_says_what_the_network_does() -> None:
    """Plain numpy on the nodes, as the NIR paper defines them: layer k spikes k steps earlier than here."""
    model = plain()
    graph = to_nir(model)
    x = states(20, 3)
    n = {name: node for name, node in graph.nodes.items() if name not in ("input", "output")}
    v, w = np.zeros((20, 12)), np.zeros((20, 12))
    counts, readout = np.zeros(20), np.zeros((20, 3))
    for step in range(STEPS):
        v += x @ n["affine_1"].weight.T + n["affine_1"].bias
        first = v > n["hidden_1"].v_threshold
        v[first] = 0.0
        if step < STEPS - 1:  # here a spike needs a step to the second layer, which works one step less
            w += first @ n["affine_2"].weight.T + n["affine_2"].bias
            second = w > n["hidden_2"].v_threshold
            w[second] = 0.0
            counts += second.sum(axis=1)
            readout += second @ n["affine_3"].weight.T
        counts += first.sum(axis=1)
    found = decide(model, x, "torch")
    np.testing.assert_array_equal(found.spikes, counts)
    together = np.column_stack([found.logits, found.values])
    np.testing.assert_allclose(together, readout + STEPS * n["affine_3"].bias, atol=1e-9)


def test_what_nir_cannot_say_is_refused(tmp_path: Path) -> None:
    tracking = spiking_equivalent(dense(), states(200, 1), ConversionOptions(STEPS))
    with pytest.raises(InvalidValueError, match=r"neurons hidden_1.*--no-correction"):
        to_nir(tracking)
    graph = to_nir(plain())
    graph.metadata = {}
    with pytest.raises(InvalidValueError, match="does not say the steps"):
        from_nir(graph)
    graph.nodes["hidden_2"].r = 2.0 * graph.nodes["hidden_2"].r
    with pytest.raises(InvalidValueError, match=r"NIR node 'hidden_2'\.r: got 2"):
        from_nir(graph, STEPS)
    (tmp_path / "no.nir").write_bytes(b"not HDF5")
    with pytest.raises(InvalidValueError, match=r"no\.nir"):
        read_nir(tmp_path / "no.nir")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("converted") / "run"
    convert(
        dense(),
        out,
        tasks.make("cartpole"),
        ConversionOptions(STEPS, correction=False, reset="zero"),
        episodes=2,
    )
    return out


def test_the_commands_export_and_import(run: Path, tmp_path: Path, capsys: Any) -> None:
    nir, mat, back = tmp_path / "agent.nir", tmp_path / "episode.mat", tmp_path / "back"
    assert cli.main(["export", str(run), "--to", "nir", "--out", str(nir)]) == 0
    words = ["convert", str(nir), "--task", "cartpole", "--episodes", "2", "--out", str(back)]
    assert cli.main(words) == 0
    numbers = [json.loads((folder / "conversion.json").read_text()) for folder in (run, back)]
    assert numbers[0]["return_mean"] == numbers[1]["return_mean"]
    assert numbers[1]["action_agreement"] is None
    told = tmp_path / "told.json"
    assert (
        cli.main(["export", str(run), "--to", "neo", "--out", str(mat), "--steps", "5", "--json", str(told)])
        == 0
    )
    written = json.loads(told.read_text())
    from neo.io import NeoMatlabIO

    segment = NeoMatlabIO(filename=str(mat)).read_block().segments[0]
    assert len(segment.spiketrains) == written["neurons"] == 24
    assert sum(len(train) for train in segment.spiketrains) == written["spikes"] > 0
    assert {s.name for s in segment.analogsignals} >= {"hidden_1.v", "logits.y"}
    assert segment.analogsignals[0].shape[0] == 5 * STEPS
    capsys.readouterr()
    for words in (["--to", "pdf", "--out", str(tmp_path / "x.pdf")], ["--to", "nir", "--out", str(nir)]):
        assert cli.main(["export", str(run), *words]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
