"""Models are data: they compare, hash, pickle, go to JSON and back, and refuse what cannot be run."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest

from snnrl import networks, tasks
from snnrl.coding import (
    FirstSpikeAction,
    FirstSpikeLatency,
    GaussianPopulation,
    PopulationValue,
    SoftmaxAction,
)
from snnrl.errors import InvalidValueError, ModelError, SnnrlError, UnknownNameError
from snnrl.model import (
    AgentModel,
    Array,
    Network,
    Neurons,
    Pairs,
    RewardBaseline,
    Synapses,
    TDError,
    from_json,
    to_json,
)
from snnrl.plasticity import devices

A, B = Neurons("a", 3, "u : 1"), Neurons("b", 2, "u : 1")


def everything() -> AgentModel:
    """Build a model with every kind of field: arrays, pairs, text, numbers, a part of a population."""
    a = Neurons("a", 4, "u : 1\nb : volt (constant)", "u > 1", "u = 0", "2*ms", "exact", {"b": [1, 2, 3, 4], "c": 2.5}, {"u": "rand()"},
                "u = 0.5")  # fmt: skip
    links = Synapses("links", "a", "b", "w : 1", "u_post += w", "w += 1", "w += reward", ("w",), {"k": "3*ms"},
                     {"w": np.array([0.5, 1.5])}, Pairs([3, 0], [1, 0]), 4, "exact")  # fmt: skip
    code = FirstSpikeLatency("a", "u", (1.0, 2.0), (True, False), 0.02, (2, 2), (1.0, 0.5), 0.7, 0.1)
    return AgentModel(Network((a, B, *(Neurons(n, 1, "u : 1") for n in "xy")), (links,), "0.5*ms"), code,
                      SoftmaxAction(("x", "y"), 0.5), PopulationValue("b[0:1]", 0.1, 2.0, 0.5), RewardBaseline(7.0), "10*ms")  # fmt: skip


MODELS = {
    "everything": everything,
    "actor-critic": lambda: networks.ActorCritic().build(tasks.CartPole()),
    "memristive": lambda: networks.RewardModulated().build(
        tasks.CartPole(), devices.make("parylene", spread=0.3)
    ),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "copy", [lambda m: from_json(to_json(m)), lambda m: pickle.loads(pickle.dumps(m))], ids=["json", "pickle"]
)
def test_copies_are_equal(name: str, copy: Any) -> None:
    model = MODELS[name]()
    again = copy(model)
    assert again == model
    assert hash(again) == hash(model)
    assert to_json(again) == to_json(model)
    assert repr(again) == repr(model)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 5}, {"equations": "u : volt"}, {"threshold": "u > 2"}, {"reset": "u = 1"}, {"refractory": "3*ms"},
        {"method": "exact"}, {"parameters": {"c": 1}}, {"initial": {"u": 1}}, {"on_step": "u = 1"}, {"name": "z"},
    ],
)  # fmt: skip
def test_any_other_field_is_another_model(change: dict[str, Any]) -> None:
    assert dataclasses.replace(A, **change) != A


def test_arrays_compare_by_content() -> None:
    one, other = (
        Neurons("a", 3, "b : 1", parameters={"b": values})
        for values in ([1.0, 2.0, 3.0], np.array([1.0, 2.0, 3.0]))
    )
    assert one == other
    assert hash(one) == hash(other)
    assert one != Neurons("a", 3, "b : 1", parameters={"b": [1.0, 2.0, 4.0]})
    assert Array([1.0, 2.0]) != Array([1, 2])
    assert Array([0.0]) == Array([-0.0])
    assert hash(Array([0.0])) == hash(Array([-0.0]))


def test_order_of_parameters_does_not_matter_to_equality_and_hash() -> None:
    one, other = (
        Neurons("a", 1, "", parameters={"p": 1, "q": 2}),
        Neurons("a", 1, "", parameters={"q": 2, "p": 1}),
    )
    assert one == other
    assert hash(one) == hash(other)


def test_models_cannot_be_changed() -> None:
    values = np.array([1.0, 2.0, 3.0])
    neurons = Neurons("a", 3, "b : 1", parameters={"b": values})
    values[0] = 99.0
    assert neurons.parameters["b"] == Array([1.0, 2.0, 3.0])
    with pytest.raises(dataclasses.FrozenInstanceError):
        neurons.size = 4  # type: ignore[misc]
    with pytest.raises(AttributeError, match="read-only"):
        neurons.parameters["b"].values = values
    with pytest.raises(ValueError, match="read-only"):
        neurons.parameters["b"].values[0] = 1.0
    with pytest.raises(TypeError):
        neurons.parameters["b"] = 3  # type: ignore[index]


def test_text_is_tidied() -> None:
    neurons = Neurons("a", 1, """
        u : 1
        v : 1
        """)  # fmt: skip
    assert neurons.equations == "u : 1\nv : 1"


def test_pairs_are_sorted_by_source_then_target() -> None:
    pairs = Pairs([2, 0, 2, 0], [1, 3, 0, 2])
    assert pairs.sources.values.tolist() == [0, 0, 2, 2]
    assert pairs.targets.values.tolist() == [2, 3, 0, 1]
    assert len(pairs) == 4
    assert len(Pairs([], [])) == 0


def agent(**fields: Any) -> AgentModel:
    base: dict[str, Any] = {
        "network": Network((A, B)), "encoder": GaussianPopulation("a", "u", (1.0,), (True,), 1.0, (3,)),
        "action": FirstSpikeAction(("a", "b")), "signal": RewardBaseline(),
    }  # fmt: skip
    return AgentModel(**{**base, **fields})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Neurons("a", -3, ""), InvalidValueError, r"Neurons\(a\)\.size: got -3, allowed: an integer of at least 1"),
        (lambda: Neurons("a", 2.5, ""), InvalidValueError, r"Neurons\(a\)\.size: got 2\.5"),  # type: ignore[arg-type]
        (lambda: Neurons("a", True, ""), InvalidValueError, r"Neurons\(a\)\.size: got True"),
        (lambda: Neurons("2a", 1, ""), InvalidValueError, r"Neurons\.name: got '2a'"),
        (lambda: Neurons("_a", 1, ""), InvalidValueError, r"Neurons\.name: got '_a'"),
        (lambda: Neurons("class", 1, ""), InvalidValueError, r"Neurons\.name: got 'class'"),
        (lambda: Neurons("a", 1, "", parameters={"p": object()}), SnnrlError, r"Neurons\(a\).*'p'"),
        (lambda: Synapses("s", "a", "b", delay=-1), InvalidValueError, r"Synapses\(s\)\.delay: got -1, allowed: whole steps"),
        (lambda: Synapses("s", "a", "b", delay=1.5), InvalidValueError, r"Synapses\(s\)\.delay: got 1\.5"),  # type: ignore[arg-type]
        (lambda: Synapses("s", "a", "b", connectivity="one-to-one"), InvalidValueError, r"Synapses\(s\)\.connectivity: got 'one-to-one'"),
        (lambda: Pairs([0, 1], [0]), InvalidValueError, r"Pairs: .*same length"),
        (lambda: Pairs([0, -1], [0, 1]), InvalidValueError, r"Pairs: got -1, allowed: indices of at least 0"),
        (lambda: Pairs([0.5], [1]), InvalidValueError, r"Pairs: .*0\.5"),
        (lambda: Pairs([True], [1]), InvalidValueError, r"Pairs: got \[True\], allowed: whole numbers"),
        (lambda: Neurons("a", 1, "", parameters={"p": ["10*ms"]}), InvalidValueError, r"Neurons\(a\)\.parameters\['p'\].*array of numbers"),
        (lambda: Neurons("a", 1, "", initial={"p": [[1], [1, 2]]}), InvalidValueError, r"Neurons\(a\)\.initial\['p'\].*rows of one length"),
        (lambda: Synapses("s", "a", "b", delay=True), InvalidValueError, r"Synapses\(s\)\.delay: got True"),
        (lambda: Network((A, A)), ModelError, r"the name 'a' is used more than once"),
        (lambda: Network((A,), (Synapses("a", "a", "a"),)), ModelError, r"the name 'a' is used more than once"),
        (lambda: Network((A,), (Synapses("s", "a", "bb"),)), UnknownNameError, r"Synapses\(s\)\.target: got 'bb', allowed: a"),
        (lambda: Network((A, B), (Synapses("s", "a", "b", connectivity=Pairs([0], [2])),)), InvalidValueError,
         r"Synapses\(s\)\.connectivity: got \(0, 2\), allowed: indices up to \(2, 1\)"),
        (lambda: Network((A, B)).population("c"), UnknownNameError, r"got 'c', allowed: a, b"),
        (lambda: TDError(gamma=1.0), InvalidValueError, r"TDError\.gamma: got 1\.0, allowed: 0 <= gamma < 1"),
        (lambda: TDError(clip=0.0), InvalidValueError, r"TDError\.clip: got 0\.0"),
        (lambda: RewardBaseline(0.1), InvalidValueError, r"RewardBaseline\.time_constant: got 0\.1"),
        (lambda: agent(encoder=GaussianPopulation("b", "u", (1.0,), (True,), 1.0, (3,))), ModelError, r"3 codes for population 'b' of 2"),
        (lambda: agent(encoder=GaussianPopulation("z", "u", (1.0,), (True,), 1.0, (3,))), UnknownNameError, r"got 'z', allowed: a, b"),
        (lambda: agent(action=FirstSpikeAction(("a", "q"))), UnknownNameError, r"got 'q', allowed: a, b"),
        (lambda: agent(action=FirstSpikeAction(("a", "b[1:4]"))), InvalidValueError, r"'b\[1:4\]', allowed: at most 2 neurons"),
        (lambda: agent(value=PopulationValue("q")), UnknownNameError, r"got 'q'"),
        (lambda: agent(signal=TDError()), ModelError, r"a TD error needs a value decoder"),
        (lambda: from_json("{"), ModelError, r"not a model"),
        (lambda: from_json('{"type": "Popen", "args": "x"}'), UnknownNameError, r"got 'Popen'"),
        (lambda: from_json('{"type": "Neurons", "sise": 3}'), ModelError, r"not a model"),
    ],
)  # fmt: skip
def test_bad_models_are_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_errors_pickle_for_process_pools() -> None:
    for error in (
        InvalidValueError("x", 3, "4"),
        UnknownNameError("x", "a", ["b", "aa"]),
        ModelError("text"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
