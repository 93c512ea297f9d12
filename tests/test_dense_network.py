"""Dense networks as data and as torch modules: the same numbers, files without pickle, and clear refusals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from snnrl import tasks
from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.networks import DenseActorCritic, DenseNetwork
from snnrl.networks.dense import Activation, Conv2d, Flatten, Layer, Linear
from snnrl.networks.dense_options import ALGORITHMS, Ppo, Vpg, make_options

RNG = np.random.default_rng(0)


def linear(out: int, inputs: int) -> Linear:
    return Linear(RNG.normal(size=(out, inputs)), RNG.normal(size=out))


def conv(out: int, channels: int, kernel: int, stride: int = 1, padding: int = 0) -> Conv2d:
    return Conv2d(RNG.normal(size=(out, channels, kernel, kernel)), RNG.normal(size=out), stride, padding)


# ---------------------------------------------------------------------- the same numbers as torch


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("shared", [False, True])
def test_numpy_forward_is_torch_s(activation: str, shared: bool) -> None:
    torch.manual_seed(0)
    module = DenseActorCritic.mlp(
        5, 3, (16, 8), activation, shared, observation_scale=[1.0, 2.0, 3.0, 0.1, 9.0]
    )
    with torch.no_grad():
        for each in module.parameters():
            each.add_(0.3 * torch.randn_like(each))
    network, x = module.to_network(), RNG.normal(size=(30, 5)).astype(np.float32)
    with torch.no_grad():
        logits, values = module(torch.tensor(x))
        assert torch.equal(module.logits(torch.tensor(x)), logits)
    assert np.abs(network.logits(x) - logits.numpy()).max() < 1e-4 * np.abs(logits.numpy()).max()
    assert np.abs(network.values(x) - values.numpy()).max() < 1e-4 * np.abs(values.numpy()).max()
    assert np.array_equal(network.actions(x), logits.argmax(dim=1).numpy())
    assert network.shared == (4 if shared else 0)
    assert (network.n_actions, network.has_value) == (3, True)


def test_nature_network_is_torch_s_for_both_orders_of_the_channels() -> None:
    torch.manual_seed(1)
    module = DenseActorCritic.nature_cnn(6)
    network, images = module.to_network(), RNG.integers(0, 256, (2, 4, 84, 84)).astype(np.uint8)
    with torch.no_grad():
        logits, values = module(torch.tensor(images, dtype=torch.float32))
    assert np.abs(network.logits(images) - logits.numpy()).max() < 1e-6
    assert np.abs(network.values(images) - values.numpy()).max() < 1e-5
    assert np.array_equal(network.logits(np.moveaxis(images, 1, -1)), network.logits(images))
    assert network.shared == 9
    shapes = [layer.weight.shape for layer in network.policy if isinstance(layer, Conv2d)]
    assert shapes == [(32, 4, 8, 8), (64, 32, 4, 4), (64, 64, 3, 3)]
    assert [type(layer).__name__ for layer in network.policy[5:8]] == ["Activation", "Flatten", "Linear"]
    assert isinstance(network.policy[7], Linear)
    assert network.policy[7].weight.shape == (512, 3136)


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 0), (1, 1), (3, 2)])
def test_convolution_is_torch_s(stride: int, padding: int) -> None:
    layer, x = conv(3, 2, 3, stride, padding), RNG.normal(size=(4, 2, 9, 7))
    expected = nn.functional.conv2d(
        torch.tensor(x), torch.tensor(layer.weight), torch.tensor(layer.bias), stride, padding
    ).numpy()
    assert np.abs(layer(x) - expected).max() < 1e-12
    assert layer.output_shape((2, 9, 7)) == expected.shape[1:]


def test_a_module_of_a_network_is_the_network_again() -> None:
    trunk: tuple[Layer, ...] = (
        conv(2, 1, 3, 2, 1),
        Activation("relu"),
        Flatten(),
        linear(5, 32),
        Activation("tanh"),
    )
    network = DenseNetwork((1, 7, 8), (*trunk, linear(3, 5)), (*trunk, linear(1, 5)), np.array(2.0))
    module, x = network.to_torch(), RNG.normal(size=(6, 1, 7, 8))
    assert len(module.trunk) == 5
    again = module.to_network()
    assert again.shared == 5
    assert np.abs(again.logits(x) - network.logits(x)).max() < 1e-5
    assert np.abs(again.values(x) - network.values(x)).max() < 1e-5
    assert np.array_equal(again.policy[0].weight, trunk[0].weight.astype(np.float32))  # type: ignore[union-attr]


def test_action_values_are_their_own_value() -> None:
    network, x = DenseNetwork((4,), (linear(3, 4),), q_values=True), RNG.normal(size=(5, 4))
    assert np.array_equal(network.values(x), network.logits(x).max(axis=1))
    _, values = network.to_torch()(torch.tensor(x, dtype=torch.float32))
    assert np.abs(values.detach().numpy() - network.values(x)).max() < 1e-5
    assert network.to_torch().to_network().q_values


def test_initial_weights_are_orthogonal_and_belong_to_the_generator() -> None:
    one, same, other = (
        DenseActorCritic.mlp(4, 2, (64, 64), generator=torch.Generator().manual_seed(seed)).to_network()
        for seed in (1, 1, 2)
    )
    x = RNG.normal(size=(10, 4))
    assert np.array_equal(one.logits(x), same.logits(x))
    assert not np.array_equal(one.logits(x), other.logits(x))
    weight = one.policy[2].weight  # type: ignore[union-attr]
    assert np.abs(weight @ weight.T - 2 * np.eye(64)).max() < 1e-5  # the gain of ReLU is sqrt(2)
    assert np.abs(one.logits(x)).max() < 0.2
    assert np.abs(one.values(x)).max() > 0.2


# ---------------------------------------------------------------------- files


def test_a_file_gives_the_network_again_with_its_trunk(tmp_path: Path) -> None:
    trunk: tuple[Layer, ...] = (conv(2, 3, 3, 2, 1), Activation("relu"), Flatten(), linear(4, 2 * 4 * 3))
    shape = (3, 7, 6)
    networks = [
        DenseNetwork(
            shape, (*trunk, Activation("tanh"), linear(2, 4)), (*trunk, linear(1, 4)), np.full(shape, 3.0)
        ),
        DenseNetwork(shape, (*trunk, linear(2, 4)), q_values=True),
        DenseNetwork(shape, trunk),
    ]
    x = RNG.normal(size=(5, *shape))
    for network in networks:
        network.save(tmp_path / "n.npz")
        again = DenseNetwork.load(tmp_path / "n.npz")
        assert np.array_equal(again.logits(x), network.logits(x))
        assert (again.shared, again.q_values) == (network.shared, network.q_values)
        assert again.has_value == network.has_value
        if network.has_value:
            assert np.array_equal(again.values(x), network.values(x))


def test_foreign_and_damaged_files_are_one_clear_line(tmp_path: Path) -> None:
    network, path = DenseNetwork((4,), (linear(2, 4),), (linear(1, 4),)), tmp_path / "n.npz"
    network.save(path)
    whole = path.read_bytes()
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}

    def changed(**values: Any) -> bytes:
        np.savez(
            tmp_path / "c.npz", **{**arrays, **{f"dense/{name}": value for name, value in values.items()}}
        )
        return (tmp_path / "c.npz").read_bytes()

    cases = {
        "none named 'dense/format'": b"PK\x05\x06" + bytes(18),
        "format of a dense network: got 7": changed(format=7),
        "kind of layer 0: got 'lstm'": changed(**{"0/kind": "lstm"}),
        "none named 'dense/9/kind'": changed(policy=[9]),
        "Linear.weight: got 'NaN or infinity'": changed(**{"0/weight": np.full((2, 4), np.nan)}),
        "input of Linear: got .5,., allowed: .4,": changed(observation_shape=[5]),
        "DenseNetwork.observation_shape: got .-3,": changed(observation_shape=[-3]),
        "File is not a zip file": whole[: len(whole) // 2],
        "allow_pickle": changed(**{"0/weight": np.array([object()])}),
        "Cannot load file|pickled|magic|Failed|no data": b"hello",
    }
    for message, content in cases.items():
        path.write_bytes(content)
        with pytest.raises(InvalidValueError, match=f"^network file: got '.*n.npz', .*({message})") as caught:
            DenseNetwork.load(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(InvalidValueError, match="No such file"):
        DenseNetwork.load(tmp_path / "none.npz")
    with pytest.raises(InvalidValueError, match="allowed: a file that can be written"):
        network.save(tmp_path / "none" / "n.npz")


def test_weights_cannot_be_changed_by_accident() -> None:
    weights = np.ones((2, 4))
    layer = Linear(weights, np.zeros(2))
    weights[:] = 5.0
    assert layer.weight[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        layer.weight[0, 0] = 2.0


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(np.ones(4), np.ones(4)), r"Linear.weight: got \(4,\), allowed: 2 dimensions"),
        (lambda: Linear(np.ones((2, 4)), np.ones(4)), r"Linear.bias: got \(4,\), allowed: \(2,\)"),
        (lambda: Linear(np.full((1, 1), np.inf), np.ones(1)), "Linear.weight: got 'NaN or infinity'"),
        (
            lambda: Conv2d(np.ones((1, 1, 3, 2)), np.ones(1)),
            "Conv2d.weight: got .*, allowed: a square kernel",
        ),
        (lambda: conv(1, 1, 3, 0), "Conv2d.stride: got 0, allowed: a whole number of at least 1"),
        (lambda: conv(1, 1, 3, 1, -1), "Conv2d.padding: got -1"),
        (lambda: Activation("elu"), "Activation.kind: got 'elu', allowed: relu, tanh"),
        (
            lambda: DenseNetwork((4,), (linear(3, 4), linear(2, 5))),
            r"DenseNetwork.policy\[1\], input of Linear: got \(3,\)",
        ),
        (
            lambda: DenseNetwork((1, 4, 4), (conv(2, 1, 3),)),
            r"output of DenseNetwork.policy: got \(2, 2, 2\)",
        ),
        (
            lambda: DenseNetwork((1, 4, 4), (conv(2, 1, 5),)),
            r"DenseNetwork.policy\[0\], input of Conv2d: got \(1, 4, 4\)",
        ),
        (
            lambda: DenseNetwork((4,), (linear(2, 4),), (linear(2, 4),)),
            r"output of DenseNetwork.value: got \(2,\)",
        ),
        (
            lambda: DenseNetwork((4,), (linear(2, 4),), (linear(1, 4),), None, True),
            "DenseNetwork.q_values: got True",
        ),
        (
            lambda: DenseNetwork((4,), (linear(2, 4),), (), np.zeros(4)),
            "DenseNetwork.observation_scale: got ",
        ),
        (lambda: DenseNetwork((4,), (linear(2, 4),), (), np.ones(3)), "DenseNetwork.observation_scale: got "),
        (lambda: DenseNetwork((), (linear(2, 4),)), r"DenseNetwork.observation_shape: got \(\)"),
        (
            lambda: DenseNetwork((4,), (linear(2, 4),)).logits(np.ones((3, 5))),
            r"shape of the observations: got \(3, 5\)",
        ),
        (
            lambda: DenseNetwork((4,), (linear(2, 4),)).logits(np.ones(4)),
            r"shape of the observations: got \(4,\)",
        ),
        (lambda: DenseActorCritic.mlp(4, 2, activation="elu"), "activation: got 'elu', allowed: relu, tanh"),
        (lambda: DenseActorCritic.nature_cnn(4, (4, 30, 30)), "observation shape of the Nature CNN: got"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(make: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=f"^{message}") as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_state_dict_of_other_layers_is_refused() -> None:
    state = DenseActorCritic.mlp(4, 2, (8,), "tanh").state_dict()
    with pytest.raises(InvalidValueError, match=r"^layers of the state dict: got"):
        DenseActorCritic.mlp(4, 2, (8,), "relu").load_state_dict(state)
    DenseActorCritic.mlp(4, 2, (8,), "tanh").load_state_dict(state)


# ---------------------------------------------------------------------- options


@pytest.mark.parametrize("hidden", ["32,16", "32, 16", [32, 16], (32, 16)])
def test_layer_sizes_come_as_text_or_numbers(hidden: Any) -> None:
    assert make_options("vpg", tasks.make("cartpole"), {"hidden": hidden}).hidden == (32, 16)
    assert make_options("vpg", tasks.make("cartpole"), {"hidden": 32}).hidden == (32,)


@pytest.mark.parametrize(
    ("algorithm", "given", "message"),
    [
        ("sarsa", {}, "algorithm: got 'sarsa', allowed: a2c, dqn, ppo, vpg"),
        ("vpg", {"hiden": 3}, "parameter of network dense with vpg: got 'hiden', .*did you mean 'hidden'"),
        ("a2c", {"batch": 3}, "parameter of network dense with a2c: got 'batch'"),
        ("vpg", {"hidden": "64,x"}, "network.hidden: got '64,x', allowed: sizes of at least 1"),
        ("vpg", {"hidden": []}, "network.hidden: got "),
        ("vpg", {"hidden": [0]}, "network.hidden: got "),
        ("vpg", {"hidden": True}, "network.hidden: got True"),
        ("vpg", {"activation": "elu"}, "Vpg.activation: got 'elu', allowed: relu or tanh"),
        ("vpg", {"gamma": 1.5}, "Vpg.gamma: got 1.5, allowed: 0 to 1"),
        ("vpg", {"gamma": "x"}, "Vpg.gamma: got 'x', allowed: a number"),
        ("vpg", {"learning_rate": 0}, "Vpg.learning_rate: got 0, allowed: a finite number above 0"),
        ("vpg", {"batch": 0}, "Vpg.batch: got 0, allowed: a whole number >= 1"),
        ("vpg", {"advantage": "td"}, "Vpg.advantage: got 'td', allowed: return or reward-to-go or gae"),
        ("vpg", {"normalise": 1}, "Vpg.normalise: got 1, allowed: true or false"),
        ("vpg", {"shared": 1}, "Vpg.shared: got 1, allowed: true or false"),
        ("ppo", {"batch": 257}, "Ppo.batch: got 257, allowed: 2 to 256, the samples of an update"),
        ("dqn", {"shared": True}, "Dqn.shared: got True, allowed: false"),
    ],
)
def test_options_that_do_not_fit(algorithm: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=f"^{message}"):
        make_options(algorithm, tasks.make("cartpole"), given)


def test_tasks_have_numbers_of_their_own() -> None:
    assert make_options("vpg", tasks.make("cartpole")) == Vpg()
    acrobot = make_options("vpg", tasks.make("acrobot"), {"gamma": 0.9})
    assert acrobot == Vpg(batch=16, learning_rate=3e-3, entropy=0.02, gamma=0.9)
    assert make_options("vpg", tasks.make("gym:Acrobot-v1")).activation == "tanh"
    assert make_options("ppo", tasks.make("acrobot")).algorithm == "ppo"
    assert set(ALGORITHMS) == {"vpg", "a2c", "ppo", "dqn"}
    assert Ppo().batch == 256


# ---------------------------------------------------------------------- light


def test_networks_are_there_without_torch() -> None:
    code = (
        "import sys, snnrl.networks as n; n.DenseNetwork; import snnrl.networks.dense_options, snnrl.networks.dense_sb3; "
        "assert 'torch' not in sys.modules; n.DenseActorCritic; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="has no attribute 'Dense'"):
        _ = __import__("snnrl.networks", fromlist=["x"]).Dense
    with pytest.raises(UnknownNameError):
        __import__("snnrl.networks", fromlist=["x"]).make("dense")
