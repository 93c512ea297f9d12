"""Sources of dense networks: every file gives the network of the module it came from, and nothing in one is executed."""

from __future__ import annotations

import base64
import io
import json
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from snnrl.conversion.sources import load
from snnrl.errors import InvalidValueError, SnnrlError
from snnrl.networks import DenseActorCritic, DenseNetwork
from snnrl.networks.dense import Linear

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(20, 4)).astype(np.float32)
IMAGES = RNG.integers(0, 256, (3, 4, 40, 40)).astype(np.uint8)


def same(
    network: DenseNetwork, module: DenseActorCritic, observations: NDArray[Any], tolerance: float = 2e-6
) -> None:
    """Compare a network with the module it came from."""
    with torch.no_grad():
        logits, values = module(torch.tensor(observations, dtype=torch.float32))
    assert np.abs(network.logits(observations) - logits.numpy()).max() < tolerance
    if network.has_value:
        assert np.abs(network.values(observations) - values.numpy()).max() < tolerance


@pytest.fixture(scope="module")
def module() -> DenseActorCritic:
    """Give a trained-looking MLP with tanh and two separate heads."""
    torch.manual_seed(1)
    network = DenseActorCritic.mlp(4, 3, (16, 8), "tanh", observation_scale=[1.0, 2.0, 0.5, 3.0])
    return _stirred(network)


def _stirred(network: DenseActorCritic) -> DenseActorCritic:
    with torch.no_grad():
        for each in network.parameters():
            each.add_(0.2 * torch.randn_like(each))
    return network


@pytest.fixture(scope="module")
def cnn() -> DenseActorCritic:
    """Give a Nature CNN for small images."""
    torch.manual_seed(2)
    return DenseActorCritic.nature_cnn(5, (4, 40, 40))


# ---------------------------------------------------------------------- torch


def test_modules_in_memory(module: DenseActorCritic, cnn: DenseActorCritic) -> None:
    same(load(module), module, VECTORS)
    same(load(cnn), cnn, IMAGES)
    plain = nn.Sequential(
        nn.Sequential(nn.Linear(4, 6), nn.ReLU()), nn.Dropout(), nn.Linear(6, 2, bias=False)
    )
    network = load(plain.eval(), observation_scale=2.0)
    with torch.no_grad():
        expected = plain(torch.tensor(VECTORS / 2)).numpy()
    assert np.abs(network.logits(VECTORS) - expected).max() < 1e-6
    assert not network.has_value
    with pytest.raises(InvalidValueError, match=r"^DenseNetwork.value: got \(\), allowed: a chain"):
        network.values(VECTORS)
    assert load(network) is network


class _Agent(nn.Module):
    """Parts named as many programs name them."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(4, 7), nn.Tanh())
        self.actor, self.critic = nn.Linear(7, 2), nn.Sequential(nn.Linear(7, 3), nn.Tanh(), nn.Linear(3, 1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.network(x)
        return self.actor(hidden), self.critic(hidden)[:, 0]


def test_trunk_actor_and_critic_of_a_module_and_of_its_state_dict(tmp_path: Path) -> None:
    torch.manual_seed(3)
    agent: Any = _Agent()
    same(load(agent), agent, VECTORS)
    assert load(agent).shared == 2
    torch.save({"state_dict": agent.state_dict(), "epoch": 3}, tmp_path / "a.pt")
    network = load(tmp_path / "a.pt", activation="tanh")
    same(network, agent, VECTORS)
    assert network.shared == 2
    with pytest.raises(InvalidValueError, match=r"^activation: got None, allowed: relu or tanh"):
        load(tmp_path / "a.pt")


def test_own_state_dicts_describe_themselves(
    module: DenseActorCritic, cnn: DenseActorCritic, tmp_path: Path
) -> None:
    for each, observations in ((module, VECTORS), (cnn, IMAGES)):
        torch.save(each.state_dict(), tmp_path / "own.pt")
        network = load(tmp_path / "own.pt")
        same(network, each, observations)
        assert network.shared == each.to_network().shared
        same(network, network.to_torch(), observations)


def test_convolutions_of_a_plain_state_dict(cnn: DenseActorCritic, tmp_path: Path) -> None:
    plain = nn.Sequential(*cnn.trunk, *cnn.policy)
    torch.save(plain.state_dict(), tmp_path / "c.pt")
    network = load(
        tmp_path / "c.pt", activation="relu", observation_shape=(4, 40, 40), observation_scale=255.0
    )
    same(network, cnn, IMAGES)
    other = nn.Sequential(nn.Conv2d(1, 2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    torch.save(other.state_dict(), tmp_path / "o.pt")
    hints: dict[str, Any] = {"activation": "relu", "observation_shape": (1, 5, 5)}
    with pytest.raises(InvalidValueError, match=r"^strides: got None, allowed: 1 whole numbers"):
        load(tmp_path / "o.pt", **hints)
    network = load(tmp_path / "o.pt", strides=[2], **hints)
    x = RNG.normal(size=(3, 1, 5, 5)).astype(np.float32)
    assert np.abs(network.logits(x) - other(torch.tensor(x)).detach().numpy()).max() < 1e-6


@pytest.mark.parametrize(
    ("layers", "named"),
    [
        ([nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 2)], "Sigmoid"),
        ([nn.Linear(4, 4), nn.BatchNorm1d(4)], "BatchNorm1d"),
        ([nn.LSTM(4, 4)], "LSTM"),
        ([nn.Conv2d(1, 1, 3, groups=1, dilation=2)], "dilation of Conv2d"),
        ([nn.Conv2d(1, 1, (3, 2))], "kernel_size of Conv2d"),
        ([nn.Conv2d(1, 1, 3, padding="same")], "padding of Conv2d"),
        ([nn.ReLU()], "no layer with weights"),
    ],
)
def test_a_layer_without_a_counterpart_is_named(layers: list[nn.Module], named: str) -> None:
    with pytest.raises(InvalidValueError, match=named) as caught:
        load(nn.Sequential(*layers))
    assert "\n" not in str(caught.value)


def test_foreign_parameters_of_a_state_dict_are_named(tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)).state_dict(), tmp_path / "n.pt")
    with pytest.raises(
        InvalidValueError, match=r"^parameter of shape \(4,\): got '1.weight', allowed: weights and"
    ):
        load(tmp_path / "n.pt", activation="relu")


# ---------------------------------------------------------------------- Stable-Baselines3


class _Pictures(gymnasium.Env[Any, Any]):
    """Images with the channels last, as Atari environments give them."""

    observation_space = gymnasium.spaces.Box(0, 255, (40, 40, 4), np.uint8)
    action_space = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.observation_space.sample(), 0.0, False, False, {}


def _model(name: str) -> Any:
    import stable_baselines3 as sb3

    torch.manual_seed(4)
    relu: dict[str, Any] = {"activation_fn": nn.ReLU, "net_arch": {"pi": [12], "vf": [8, 6]}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a PPO on images without a GPU
        if name == "ppo":
            return sb3.PPO("MlpPolicy", "CartPole-v1", device="cpu")
        if name == "a2c":
            return sb3.A2C("MlpPolicy", "CartPole-v1", device="cpu", policy_kwargs=relu)
        if name == "dqn":
            return sb3.DQN("MlpPolicy", "CartPole-v1", device="cpu", buffer_size=10)
        return sb3.PPO("CnnPolicy", _Pictures(), device="cpu", n_steps=2, batch_size=2)


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Path]]:
    """Give models of Stable-Baselines3 with the files they were saved in."""
    folder, models = tmp_path_factory.mktemp("zips"), {}
    for name in ("ppo", "a2c", "dqn", "cnn"):
        model = _model(name)
        with torch.no_grad():
            for each in model.policy.parameters():
                each.add_(0.05 * torch.randn_like(each))
        model.save(folder / f"{name}.zip")
        models[name] = model, folder / f"{name}.zip"
    return models


@pytest.mark.parametrize("name", ["ppo", "a2c", "dqn", "cnn"])
def test_a_zip_gives_the_policy_it_was_saved_from(name: str, zips: dict[str, tuple[Any, Path]]) -> None:
    model, path = zips[name]
    network = load(path)
    images = RNG.integers(0, 256, (4, 40, 40, 4)).astype(np.uint8)
    observations = images if name == "cnn" else VECTORS
    tensor = model.policy.obs_to_tensor(observations)[0]
    with torch.no_grad():
        if name == "dqn":
            expected, values = (q := model.q_net(tensor).numpy()), q.max(axis=1)
        else:
            expected = model.policy.get_distribution(tensor).distribution.logits.numpy()
            values = model.policy.predict_values(tensor).numpy()[:, 0]
    logits = network.logits(observations)
    if name != "dqn":  # theirs are normalised
        logits = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert np.abs(logits - expected).max() < 5e-6
    assert np.abs(network.values(observations) - values).max() < 5e-6
    assert np.array_equal(network.actions(observations), model.predict(observations, deterministic=True)[0])
    assert network.q_values == (name == "dqn")
    assert (network.observation_scale is not None) == (name == "cnn")
    assert (network.shared > 0) == (name == "cnn")


def test_the_weights_of_a_zip_alone_need_the_activation(
    zips: dict[str, tuple[Any, Path]], tmp_path: Path
) -> None:
    with zipfile.ZipFile(zips["a2c"][1]) as archive:
        archive.extract("policy.pth", tmp_path)
    assert np.array_equal(load(tmp_path / "policy.pth", activation="relu").logits(VECTORS),
                          load(zips["a2c"][1]).logits(VECTORS))  # fmt: skip


def _changed(path: Path, out: Path, change: Any) -> Path:
    """Copy a zip with other JSON in ``data``."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member == "data":
                data = json.loads(content)
                change(data)
                content = json.dumps(data).encode()
            new.writestr(member, content)
    return out


def test_an_activation_without_a_counterpart_is_named(
    zips: dict[str, tuple[Any, Path]], tmp_path: Path
) -> None:
    def change(data: Any) -> None:
        data["policy_kwargs"]["activation_fn"] = "<class 'torch.nn.modules.activation.ELU'>"

    path = _changed(zips["a2c"][1], tmp_path / "elu.zip", change)
    with pytest.raises(InvalidValueError, match=r"^activation_fn of .*ELU.*allowed: ReLU, Tanh"):
        load(path)


def test_other_observations_and_policies_are_refused(
    zips: dict[str, tuple[Any, Path]], tmp_path: Path
) -> None:
    def change(data: Any) -> None:
        data["observation_space"] = {":type:": "<class 'gymnasium.spaces.dict.Dict'>"}

    with pytest.raises(InvalidValueError, match=r"^observation space in .*Dict.*allowed: a Box"):
        load(_changed(zips["ppo"][1], tmp_path / "dict.zip", change))
    import stable_baselines3 as sb3

    sb3.PPO("MlpPolicy", "Pendulum-v1", device="cpu").save(tmp_path / "box.zip")
    with pytest.raises(InvalidValueError, match=r"^parameter of a Stable-Baselines3 policy: got 'log_std'"):
        load(tmp_path / "box.zip")


# ---------------------------------------------------------------------- ONNX


def onnx_of(
    module: DenseActorCritic, path: Path, gemm: bool = True, value_first: bool = False
) -> onnx.ModelProto:
    """Write a module as ONNX, node by node, and return the model."""
    network = module.to_network()
    nodes, tensors, names = [], [], {}

    def constant(array: NDArray[Any]) -> str:
        tensors.append(numpy_helper.from_array(np.asarray(array, np.float32), f"c{len(tensors)}"))
        return tensors[-1].name

    def node(kind: str, inputs: list[str], **options: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [f"t{len(nodes)}"], **options))
        return str(nodes[-1].output[0])

    scale = network.observation_scale
    start = "x" if scale is None else node("Div", ["x", constant(scale)])
    for chain in (network.policy, network.value):
        tensor = start
        for layer in chain:
            if (layer, tensor) not in names:
                names[layer, tensor] = _node(layer, tensor, node, constant, gemm)
            tensor = names[layer, tensor]
        names[chain] = tensor
    ends = [(names[network.policy], network.n_actions), (names[network.value], 1)]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size]) for name, size in ends]
    seen = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *network.observation_shape])
    graph = helper.make_graph(nodes, "g", [seen], outputs[::-1] if value_first else outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return model


def _node(layer: Any, tensor: str, node: Any, constant: Any, gemm: bool) -> str:
    kind = type(layer).__name__
    if kind == "Activation":
        return str(node(layer.kind.title(), [tensor]))
    if kind == "Flatten":
        return str(node("Flatten", [tensor], axis=1))
    if kind == "Conv2d":
        sides = {"strides": [layer.stride] * 2, "pads": [layer.padding] * 4}
        return str(node("Conv", [tensor, constant(layer.weight), constant(layer.bias)], **sides))
    if gemm:
        return str(node("Gemm", [tensor, constant(layer.weight), constant(layer.bias)], transB=1))
    return str(node("Add", [constant(layer.bias), node("MatMul", [tensor, constant(layer.weight.T)])]))


@pytest.mark.parametrize("gemm", [True, False])
def test_onnx_of_a_module_gives_its_network(module: DenseActorCritic, gemm: bool, tmp_path: Path) -> None:
    onnx_of(module, tmp_path / "m.onnx", gemm, value_first=gemm)
    network = load(tmp_path / "m.onnx")
    same(network, module, VECTORS)
    assert (network.n_actions, network.shared) == (3, 0)


def test_onnx_of_a_convolutional_network_keeps_its_trunk(cnn: DenseActorCritic, tmp_path: Path) -> None:
    onnx_of(cnn, tmp_path / "c.onnx")
    network = load(tmp_path / "c.onnx")
    same(network, cnn, IMAGES)
    assert network.shared == 9
    assert network.observation_shape == (4, 40, 40)


def _onnx(nodes: list[Any], tensors: dict[str, Any], sizes: list[Any], path: Path, **options: Any) -> Path:
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", sizes), ("y", None))
    ]
    arrays = [numpy_helper.from_array(np.asarray(array, np.float32), name) for name, array in tensors.items()]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], arrays)
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (helper.make_node("Sigmoid", ["h"], ["y"], name="squash"), "layer: got \"Sigmoid 'squash' of"),
        (helper.make_node("Softmax", ["h"], ["y"]), "layer: got 'Softmax of"),
        (
            helper.make_node("Gemm", ["h", "h"], ["y"]),
            "'h' of Gemm of .*: got 'computed', allowed: a constant",
        ),
        (helper.make_node("Gemm", ["h", "w"], ["y"], transA=1), "layer: got 'Gemm of"),
        (
            helper.make_node("Conv", ["h", "k"], ["y"], strides=[1, 2]),
            "strides of Conv of .*: got .1, 2., allowed: the same",
        ),
        (helper.make_node("Conv", ["h", "k"], ["y"], group=2), "group of Conv of .*: got 2, allowed: 1"),
        (helper.make_node("Relu", ["y"], ["y"]), "ONNX file: got .*, allowed: a graph without circles"),
    ],
)
def test_a_node_without_a_counterpart_is_named(node: Any, message: str, tmp_path: Path) -> None:
    first = helper.make_node("Gemm", ["x", "w"], ["h"])
    path = _onnx([first, node], {"w": np.eye(4), "k": np.ones((2, 2, 3, 3))}, ["n", 4], tmp_path / "n.onnx")
    with pytest.raises(InvalidValueError, match=f"^{message}") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_onnx_data_outside_the_file_is_refused(module: DenseActorCritic, tmp_path: Path) -> None:
    model = onnx_of(module, tmp_path / "m.onnx")
    onnx.save_model(
        model, tmp_path / "e.onnx", save_as_external_data=True, size_threshold=0, location="other.bin"
    )
    assert (tmp_path / "other.bin").exists()
    with pytest.raises(InvalidValueError, match="allowed: numbers inside the file: other files are not read"):
        load(tmp_path / "e.onnx")


def test_an_open_input_needs_a_shape_beside_the_file(tmp_path: Path) -> None:
    node = helper.make_node("Gemm", ["x", "w"], ["y"])
    path = _onnx([node], {"w": np.eye(4)[:, :2]}, ["n", "m"], tmp_path / "o.onnx")
    with pytest.raises(
        InvalidValueError, match=r"^shape of input 'x' of .*, allowed: .batch, sizes., or observation_shape"
    ):
        load(path)
    assert np.array_equal(load(path, observation_shape=[4]).logits(VECTORS), VECTORS[:, :2])


# ---------------------------------------------------------------------- untrusted files


class Bomb:
    """An object whose pickle writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        """Return what an unpickler would call."""
        return Path.write_text, (self.path, "executed")


def _bombs(folder: Path, mark: Path, zips: dict[str, tuple[Any, Path]]) -> list[Path]:
    files = [folder / name for name in ("new.pt", "old.pt", "bare.pt", "policy.zip", "array.npz")]
    torch.save({"0.weight": torch.ones(2, 2), "x": Bomb(mark)}, files[0])
    torch.save(Bomb(mark), files[1], _use_new_zipfile_serialization=False)
    files[2].write_bytes(pickle.dumps(Bomb(mark)))
    buffer = io.BytesIO()
    torch.save({"action_net.weight": Bomb(mark)}, buffer)
    with zipfile.ZipFile(zips["ppo"][1]) as old, zipfile.ZipFile(files[3], "w") as new:
        new.writestr("data", old.read("data"))
        new.writestr("policy.pth", buffer.getvalue())
    np.savez(files[4], **{"dense/format": np.array([Bomb(mark)], dtype=object)})  # type: ignore[arg-type]
    return files


def test_no_pickle_is_ever_executed(tmp_path: Path, zips: dict[str, tuple[Any, Path]]) -> None:
    mark = tmp_path / "mark"
    for path in _bombs(tmp_path, mark, zips):
        with pytest.raises(InvalidValueError) as caught:
            load(path, activation="relu")
        assert "\n" not in str(caught.value), path
        assert path.name in str(caught.value)
    assert not mark.exists()
    pickle.loads((tmp_path / "bare.pt").read_bytes())
    assert mark.exists()  # so the bombs are live


def test_pickles_beside_the_weights_of_a_zip_are_not_touched(
    zips: dict[str, tuple[Any, Path]], tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    bomb = base64.b64encode(pickle.dumps(Bomb(mark))).decode()

    def change(data: Any) -> None:
        for value in data.values():
            if isinstance(value, dict) and ":serialized:" in value:
                value[":serialized:"] = bomb

    path = _changed(zips["a2c"][1], tmp_path / "a.zip", change)
    assert np.array_equal(load(path).logits(VECTORS), load(zips["a2c"][1]).logits(VECTORS))
    assert not mark.exists()


def test_damaged_files_are_one_clear_line(
    tmp_path: Path, module: DenseActorCritic, zips: dict[str, tuple[Any, Path]]
) -> None:
    """Flip or cut bytes at random: what comes is a network or one line, and never anything else."""
    small = DenseActorCritic.mlp(4, 2, (3,))
    onnx_of(small, tmp_path / "s.onnx")
    torch.save(small.state_dict(), tmp_path / "s.pt")
    small.to_network().save(tmp_path / "s.npz")
    rng, refused = np.random.default_rng(5), 0
    for source in (tmp_path / "s.onnx", tmp_path / "s.pt", tmp_path / "s.npz", zips["dqn"][1]):
        whole = np.frombuffer(source.read_bytes(), np.uint8)
        for attempt in range(60):
            content = whole.copy()
            places = rng.integers(0, len(whole), 1 + attempt % 8)
            content[places] = rng.integers(0, 256, len(places))
            damaged = tmp_path / f"damaged{source.suffix}"
            damaged.write_bytes(content.tobytes()[: len(whole) if attempt % 3 else int(places[0])])
            message = ""
            try:
                assert isinstance(load(damaged, activation="relu"), DenseNetwork)
            except SnnrlError as error:
                message = str(error)
            refused += bool(message)
            assert "\n" not in message
    assert refused > 60


@pytest.mark.parametrize("name", ["x.zip", "x.pt", "x.onnx", "x.npz", "x"])
def test_empty_missing_and_foreign_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    for content in (None, b"", b"hello", b"PK\x03\x04"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InvalidValueError) as caught:
            load(path)
        assert str(path) in str(caught.value)


def test_other_objects_and_hints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"^source: got 'int', allowed: a path, a torch module"):
        load(3)
    with pytest.raises(
        InvalidValueError, match=r"^activation: got 'relo', allowed: relu, tanh .did you mean 'relu'"
    ):
        load(tmp_path / "x", activation="relo")
    with pytest.raises(InvalidValueError, match=r"^observation_shape: got \(0,\), allowed: whole numbers"):
        load(tmp_path / "x", observation_shape=[0])
    with pytest.raises(InvalidValueError, match=r"^seed: got 3, allowed: nothing beside a file"):
        load(tmp_path / "x", seed=3)


def test_an_npz_file_is_read_back(module: DenseActorCritic, tmp_path: Path) -> None:
    module.to_network().save(tmp_path / "n.npz")
    network = load(tmp_path / "n.npz")
    assert np.array_equal(network.logits(VECTORS), module.to_network().logits(VECTORS))
    assert isinstance(network.policy[0], Linear)
