"""Plain spiking equivalents as NIR graphs, and NIR graphs as agents.

The graph is one chain: ``Input -> Affine -> IF -> ... -> Affine -> I -> Output``; logits and value are the outputs of the
last ``Affine``. Time is counted in steps, as Norse and snnTorch do: with ``r = 1`` a neuron adds its input to the membrane
once per step. Here a spike takes one step to the next layer, there none, so layer k (from 0) spikes k steps later here.
NIR (Pedersen et al. 2024, Nature Communications 15:8122) knows the reset to a value only; a reset by subtraction, and what
an agent has beside its network, stand in the metadata.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snnrl.coding import AffineCode, PopulationValue, SpikeCountAction
from snnrl.conversion.build import LOGITS, VALUE
from snnrl.conversion.options import LONGEST
from snnrl.errors import InvalidValueError
from snnrl.model import AgentModel, Array, Network, Neurons, Pairs, RewardBaseline, Synapses, TDError
from snnrl.model.network import ALL_TO_ALL
from snnrl.networks.dense import FloatArray
from snnrl.networks.spiking_equivalent_neurons import RESETS, STEP, integrators, plain_neurons

if TYPE_CHECKING:
    import nir

KEY = "snnrl"
"""Name of the metadata."""
_WAY_OUT = "a network of plain neurons, from 'snnrl convert --no-correction'"


def write_nir(model: AgentModel, path: Path) -> None:
    """Write an agent of plain neurons as a NIR file.

    Raises
    ------
    InvalidValueError
        If the agent has parts that NIR has no node for, or the file cannot be written.
    """
    import nir

    try:
        nir.write(path, to_nir(model))
    except OSError as error:
        raise InvalidValueError("--out", str(path), f"a file that can be written ({error})") from error


def to_nir(model: AgentModel) -> nir.NIRGraph:
    """Return the graph of an agent of plain neurons."""
    import nir

    encoder, hidden = model.encoder, _hidden(model)
    if not isinstance(encoder, AffineCode) or encoder.variable != "current":
        raise InvalidValueError("encoder of the agent", type(encoder).__name__, _WAY_OUT)
    weight = np.array(encoder.weight) / np.array(encoder.scale)
    nodes: list[Any] = [nir.Input(np.array([len(encoder.scale)])), nir.Affine(weight, np.array(encoder.bias))]
    names = ["input", "affine_1"]
    for k, cells in enumerate(hidden):
        nodes.append(nir.IF(np.ones(cells.size), np.ones(cells.size), np.zeros(cells.size)))
        if k + 1 < len(hidden):
            bias = _array(hidden[k + 1].parameters["current"])
            nodes.append(nir.Affine(_matrix(model, cells.name, hidden[k + 1].name), bias))
        else:
            nodes.append(_readout(model, cells.name))
        names += [cells.name, f"affine_{k + 2}"]
    n = len(nodes[-1].bias)
    nodes += [nir.I(np.ones(n)), nir.Output(np.array([n]))]
    names += ["readout", "output"]
    reset = next(name for name, text in RESETS.items() if text == hidden[0].reset)
    facts = {"steps": _steps(model), "actions": len(model.action.populations), "reset": reset,
             "value": model.value is not None}  # fmt: skip
    edges = list(itertools.pairwise(names))
    return nir.NIRGraph(dict(zip(names, nodes, strict=True)), edges, {KEY: json.dumps(facts)})


def _steps(model: AgentModel) -> int:
    return int(model.env_step.partition("*")[0])


def _array(values: Any) -> FloatArray:
    return np.array(values.values if isinstance(values, Array) else values, dtype=np.float64)


def _hidden(model: AgentModel) -> list[Neurons]:
    """Return the hidden populations, all of plain neurons."""
    found = [n for n in model.network.neurons if n.name not in (LOGITS, VALUE)]
    for cells in found:
        if cells.threshold != "v >= 1" or cells.reset not in RESETS.values():
            raise InvalidValueError(
                f"neurons {cells.name}", cells.threshold, f"{_WAY_OUT}: NIR has no such neuron"
            )
    return found


def _matrix(model: AgentModel, source: str, target: str) -> FloatArray:
    """Return the weights between two populations, ``[target, source]``."""
    weight = np.zeros((model.network.population(source).size, model.network.population(target).size))
    for group in model.network.synapses:
        if (group.source, group.target) == (source, target):
            values = _array(group.initial["w"])
            if isinstance(group.connectivity, Pairs):
                weight[group.connectivity.sources.values, group.connectivity.targets.values] = values
            else:
                weight[:] = values
    return weight.T


def _readout(model: AgentModel, source: str) -> Any:
    """Return logits and value as one affine node; what they begin with comes in equal parts."""
    import nir

    names = [LOGITS, VALUE] if model.value is not None else [LOGITS]
    for group in model.network.synapses:
        if group.target in names and group.source != source:
            raise InvalidValueError(f"synapses {group.name}", group.source, f"{source}: one chain of layers")
    weight = np.concatenate([_matrix(model, source, name) for name in names])
    base = [_array(model.network.population(name).parameters["base"]) for name in names]
    return nir.Affine(weight, np.concatenate(base) / _steps(model))


# ---------------------------------------------------------------------- reading


def read_nir(path: Path, steps: int | None = None) -> AgentModel:
    """Return the agent of a NIR file; nothing in the file is executed.

    Parameters
    ----------
    path
        The file.
    steps
        Steps per decision, for files that snnrl did not write.

    Raises
    ------
    InvalidValueError
        If the file cannot be read, holds something else than such a chain, or does not say the steps.
    """
    import nir

    try:
        graph = nir.read(path)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise InvalidValueError("NIR file", str(path), f"a graph written by nir.write ({error})") from error
    return from_nir(graph, steps)


def from_nir(graph: nir.NIRGraph, steps: int | None = None) -> AgentModel:
    """Return the agent of a graph."""
    facts = _facts(graph)
    chosen = steps or facts.get("steps")
    if type(chosen) is not int or not 1 <= chosen <= LONGEST:
        raise InvalidValueError(
            "steps", chosen, f"1 to {LONGEST}: the graph does not say the steps of a decision"
        )
    affines = _affines(graph)
    reset = facts.get("reset", "zero")
    weight, bias = affines[0]
    n_in = weight.shape[1]
    code = AffineCode(
        "hidden_1", "current", (1.0,) * n_in, (False,) * n_in, 1.0, tuple(map(tuple, weight)), tuple(bias)
    )
    neurons = [plain_neurons("hidden_1", len(bias), None, 0, reset)]
    synapses = []
    for k, (weight, bias) in enumerate(affines[1:-1], start=1):
        neurons.append(plain_neurons(f"hidden_{k + 1}", len(bias), bias, k, reset))
        synapses.append(_synapses(f"hidden_{k}", f"hidden_{k + 1}", weight, "arriving_post"))
    last, (weight, bias) = f"hidden_{len(neurons)}", affines[-1]
    actions = int(facts.get("actions", len(bias)))
    if actions < 2 or len(bias) != actions + bool(facts.get("value")):
        raise InvalidValueError("outputs of the NIR graph", len(bias), "one for each of two or more actions")
    parts = {LOGITS: slice(0, actions)} | ({VALUE: slice(actions, None)} if facts.get("value") else {})
    for name, rows in parts.items():
        neurons.append(integrators(name, bias[rows] * chosen))
        synapses.append(_synapses(last, name, weight[rows], "y_post"))
    action = SpikeCountAction(tuple(f"{LOGITS}[{k}:{k + 1}]" for k in range(actions)), variable="y")
    value = PopulationValue(VALUE, variable="y") if VALUE in parts else None
    signal = RewardBaseline() if value is None else TDError(0.99)
    return AgentModel(
        Network(tuple(neurons), tuple(synapses), STEP), code, action, value, signal, f"{chosen}*({STEP})"
    )


def _facts(graph: Any) -> dict[str, Any]:
    text = graph.metadata.get(KEY, "{}") if isinstance(graph.metadata, dict) else "{}"
    try:
        facts = json.loads(text.decode() if isinstance(text, bytes) else str(text))
    except ValueError:
        facts = None
    if not isinstance(facts, dict) or facts.get("reset", "zero") not in RESETS:
        raise InvalidValueError("metadata of the NIR graph", text, "what snnrl writes, or none")
    return facts


def _affines(graph: Any) -> list[tuple[FloatArray, FloatArray]]:
    """Return weight and bias of every layer, in order; refuse what is no chain of Affine or Linear and IF."""
    import nir

    names, following = list(graph.inputs), dict(graph.edges)
    if len(names) != 1 or len(following) != len(graph.edges):
        raise InvalidValueError("NIR graph", f"{len(graph.edges)} edges", "one chain from one input")
    while names[-1] in following:
        names.append(following[names[-1]])
    affines = list[tuple[FloatArray, FloatArray]]()
    wanted: tuple[Any, ...] = (nir.Affine, nir.Linear)
    for name in names[1:]:
        node = graph.nodes[name]
        if wanted == (nir.IF,) and len(affines) and isinstance(node, nir.I | nir.Output):
            break
        if not isinstance(node, wanted):
            allowed = " or ".join(kind.__name__ for kind in wanted)
            raise InvalidValueError(f"NIR node {name!r}", type(node).__name__, allowed)
        if isinstance(node, nir.IF):
            _check_if(name, node)
            wanted = (nir.Affine, nir.Linear)
        else:
            weight = np.asarray(node.weight, dtype=np.float64)
            affines.append(
                (weight, np.asarray(getattr(node, "bias", np.zeros(len(weight))), dtype=np.float64))
            )
            wanted = (nir.IF,)
    if len(affines) < 2:
        raise InvalidValueError(
            "NIR graph", f"{len(affines)} layers", "at least one layer of IF and a readout"
        )
    return affines


def _check_if(name: str, node: Any) -> None:
    for parameter, only in (("r", 1.0), ("v_threshold", 1.0), ("v_reset", 0.0)):
        values = np.asarray(getattr(node, parameter))
        if not np.all(values == only):
            raise InvalidValueError(f"NIR node {name!r}.{parameter}", float(values.flat[0]), f"{only:g}")


def _synapses(source: str, target: str, weight: FloatArray, write: str) -> Synapses:
    connected = weight.T != 0.0
    whole = bool(connected.all())
    return Synapses(source + "_" + target, source, target, "w : 1", f"{write} += w",
                    initial={"w": weight.T if whole else weight.T[connected]},
                    connectivity=ALL_TO_ALL if whole else Pairs(*np.nonzero(connected)))  # fmt: skip
