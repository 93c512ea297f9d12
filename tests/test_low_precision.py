"""Low precision: what the layers see, where gradients go, what stays zero, what it costs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from snnrl.errors import InvalidValueError
from snnrl.plasticity.low_precision import TABLE_I, Cost, LayerSize, Precision, compression_rate, cost
from snnrl.plasticity.low_precision.sharing import clusters, prune_smallest, share
from snnrl.plasticity.low_precision.stacked import stack
from snnrl.plasticity.low_precision.weights import (
    Binary,
    BinaryActivation,
    FewValues,
    KBit,
    Ternary,
    keep_within_limit,
    parametrise,
    shadow_weights,
)


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))


def weights(module: nn.Module) -> list[Tensor]:
    return [layer.get_parameter("weight") if not parametrize.is_parametrized(layer) else layer.weight  # type: ignore[misc]
            for layer in module.modules() if isinstance(layer, nn.Linear)]  # fmt: skip


def learn(module: nn.Module, steps: int = 20, rate: float = 0.5) -> None:
    """Descend on some regression, so that every parameter moves."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(32, 4, generator=generator)
    aim = torch.randn(32, 2, generator=generator)
    optimiser = torch.optim.SGD(module.parameters(), rate)
    keep_within_limit(module, optimiser)
    for _ in range(steps):
        optimiser.zero_grad()
        nn.functional.mse_loss(module(x), aim).backward()
        optimiser.step()


# ---------------------------------------------------------------------- few values


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        (Binary(), {-1.0, 1.0}),
        (Ternary(), {-1.0, 0.0, 1.0}),
        (KBit(1), {-1.0, 1.0}),
        (KBit(2), {-1.0, -1 / 3, 1 / 3, 1.0}),
    ],
)
def test_layers_only_ever_see_the_values(kind: FewValues, allowed: set[float]) -> None:
    module = network()
    parametrise(module, kind)
    seen: list[Tensor] = []
    for layer in module:
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(lambda layer, x, y: seen.append(layer.weight.detach()))
    learn(module, steps=5, rate=10.0)
    assert len(seen) == 10
    found = torch.unique(torch.cat([each.flatten() for each in seen])).tolist()
    assert found == pytest.approx(sorted(allowed))


def test_sign_of_zero_is_one() -> None:
    assert Binary().values(torch.tensor([-0.1, 0.0, 0.1])).tolist() == [-1.0, 1.0, 1.0]


def test_ternary_threshold_by_hand() -> None:
    shadow = torch.tensor([0.1, -0.4, 0.7, -0.8])  # mean size 0.5, threshold 0.35
    assert Ternary().values(shadow).tolist() == [0.0, -1.0, 1.0, -1.0]


def test_k_bits_round_to_the_nearest() -> None:
    shadow = torch.linspace(-1.2, 1.2, 97)
    values = np.linspace(-1.0, 1.0, 8)
    expected = values[np.abs(shadow.clamp(-1, 1).numpy()[:, None] - values).argmin(axis=1)]
    np.testing.assert_allclose(KBit(3).values(shadow), expected, atol=1e-6)


@pytest.mark.parametrize("kind", [Binary(), Ternary(), KBit(3)])
def test_gradient_of_the_used_weight_reaches_the_shadow_weight(kind: FewValues) -> None:
    module = network()
    parametrise(module, kind)
    x = torch.randn(5, 4)
    module(x).square().sum().backward()
    plain = network()
    with torch.no_grad():
        for mine, used in zip(weights(plain), weights(module), strict=True):
            mine.copy_(used)
    plain(x).square().sum().backward()
    for shadow, used in zip(shadow_weights(module), weights(plain), strict=True):
        torch.testing.assert_close(shadow.grad, used.grad)


def test_shadow_weights_are_clipped_after_every_step() -> None:
    module = network()
    parametrise(module, Binary())
    learn(module, rate=50.0)
    largest = [float(shadow.detach().abs().max()) for shadow in shadow_weights(module)]
    assert largest == [1.0, 1.0]
    biases = [layer.bias for layer in module if isinstance(layer, nn.Linear)]
    assert max(float(bias.detach().abs().max()) for bias in biases) > 1.0  # they are not


def test_binary_activation_and_its_gradient() -> None:
    x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0], requires_grad=True)
    y = BinaryActivation()(x)
    y.backward(torch.arange(1.0, 6.0))
    assert y.tolist() == [-1.0, -1.0, 1.0, 1.0, 1.0]
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 2.0, 3.0, 4.0, 0.0]


# ---------------------------------------------------------------------- sharing


def test_shared_weights_are_k_values_and_stay_so() -> None:
    module = network()
    before = [w.detach().clone() for w in weights(module)]
    share(module, 3)
    for old, new in zip(before, weights(module), strict=True):
        assert len(torch.unique(new)) == 3
        for value in torch.unique(new):  # each is the mean of those that share it
            torch.testing.assert_close(value, old[new == value].mean())
    places = [w.detach().clone() for w in weights(module)]
    learn(module)
    for old, new in zip(places, weights(module), strict=True):
        assert len(torch.unique(new)) == 3
        assert not torch.equal(old, new)
        for value in torch.unique(old):  # who shares a value goes on sharing it
            assert len(torch.unique(new[old == value])) == 1


def test_gradient_of_a_shared_value_is_the_sum_of_its_weights() -> None:
    module, x = network(), torch.randn(5, 4)
    share(module, 3)
    module(x).square().sum().backward()
    plain = network()
    with torch.no_grad():
        for mine, used in zip(weights(plain), weights(module), strict=True):
            mine.copy_(used)
    plain(x).square().sum().backward()
    layer, same = module[0], plain[0]
    held = layer.get_submodule("parametrizations.weight")
    gradient = held.get_parameter("original").grad
    place: Any = held.get_submodule("0").get_buffer("place")
    assert gradient is not None
    summed = [float(same.weight.grad[place == k].sum()) for k in range(3)]
    assert gradient.tolist() == pytest.approx(summed, rel=1e-5)


def test_clusters_of_separate_groups() -> None:
    groups = np.concatenate([c + np.linspace(-0.01, 0.01, 7) for c in (-1.0, 0.2, 0.9)])
    place = clusters(groups, 3)
    assert [len(set(place[7 * k : 7 * k + 7])) for k in range(3)] == [1, 1, 1]
    assert len(set(place)) == 3


# ---------------------------------------------------------------------- pruning


def test_pruned_weights_stay_zero_while_the_rest_learns() -> None:
    module = network()
    old = [w.detach().clone() for w in weights(module)]
    prune_smallest(module, 50)
    layers = [layer for layer in module if isinstance(layer, nn.Linear)]
    for weight, layer in zip(old, layers, strict=True):
        smallest = weight.abs() <= weight.abs().flatten().sort().values[weight.numel() // 2 - 1]
        assert torch.equal(layer.weight == 0, smallest)
    zeros = [layer.weight.detach() == 0 for layer in layers]
    before = [layer.weight.detach().clone() for layer in layers]
    learn(module)
    module(torch.zeros(1, 4))
    for zero, layer, then in zip(zeros, layers, before, strict=True):
        assert torch.equal(layer.weight == 0, zero)
        assert not torch.equal(layer.weight, then)


# ---------------------------------------------------------------------- side by side


@pytest.mark.parametrize(
    "treat",
    [
        lambda module, seed: parametrise(module, Ternary()),
        lambda module, seed: share(module, 3, seed),
        lambda module, seed: prune_smallest(module, 50),
    ],
    ids=["ternary", "shared", "pruned"],
)
def test_networks_side_by_side_are_each_treated_alone(treat: Any) -> None:
    alone = [network(0), network(1)]
    with torch.no_grad():
        alone[1][0].weight.mul_(3.0)  # what is small there is large in the other
    together = stack(alone)
    treat(together, 7)
    for seed, module in enumerate(alone, 7):
        treat(module, seed)
    x = torch.randn(2, 5, 4)
    found = together(x)
    for index, module in enumerate(alone):
        torch.testing.assert_close(found[index], module(x[index]))
    found.square().sum().backward()
    for module, rows in zip(alone, x, strict=True):
        module(rows).square().sum().backward()
    for mine, *theirs in zip(together.parameters(), *(module.parameters() for module in alone), strict=True):
        assert mine.grad is not None
        expected = torch.stack([each.grad for each in theirs if each.grad is not None])
        torch.testing.assert_close(mine.grad.flatten(), expected.flatten())


# ---------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (lambda: KBit(0), "bits: got 0, allowed: a whole number from 1 to 16"),
        (lambda: KBit(17), "bits: got 17"),
        (lambda: share(network(), 0), "k: got 0"),
        (lambda: share(network(), 13), "k: got 13, allowed: at most 12, the different weights of layer 2"),
        (lambda: prune_smallest(network(), 100), "percent: got 100"),
        (lambda: prune_smallest(network(), -1), "percent: got -1"),
        (lambda: parametrise(nn.Tanh(), Binary()), "network: got 'Tanh'"),
        (lambda: [parametrise(m, Binary()) for m in [network()] * 2], "layer 0: got 'parametrised'"),
        (lambda: Precision(weight_bits=0), "Precision.weight_bits: got 0"),
        (lambda: Precision(ternary=True), "Precision.weight_bits: got 32, allowed: 2 for ternary weights"),
        (lambda: Precision(memory="tape"), "Precision.memory: got 'tape', allowed: SRAM or DRAM"),
        (lambda: LayerSize(4, 2, kept=5), "LayerSize.kept: got 5, allowed: 0 to 4"),
        (lambda: compression_rate(4, 0), "compression_rate(k): got 0"),
    ],
)
def test_bad_input_is_one_line(wrong: Any, line: str) -> None:
    with pytest.raises(InvalidValueError) as error:
        wrong()
    assert line in str(error.value)


# ---------------------------------------------------------------------- cost

LAYERS = (LayerSize(64, 16), LayerSize(32, 2))
"""CartPole: 4 inputs, 16 hidden units, 2 actions."""


def test_compression_rate_by_hand() -> None:
    assert compression_rate(64, 8) == pytest.approx(64 * 32 / (64 * 3 + 8 * 32))
    assert compression_rate(61_000_000, 8) == pytest.approx(32 / 3, rel=1e-5)
    assert compression_rate(10, 1, bits=16) == 10.0


def test_cost_of_full_precision_by_hand() -> None:
    found = cost(LAYERS, Precision())
    assert (found.additions, found.multiplications) == (64 + 16 + 32 + 2, 96)
    assert found.parameter_bits == 32 * (64 + 16 + 32 + 2)
    assert found.operation_energy == pytest.approx(114 * 0.9e-12 + 96 * 3.7e-12)
    assert found.memory_energy == pytest.approx(114 * 5e-12)
    assert found.area == pytest.approx(1e-12 * (4184 + 7700))
    assert found.energy == found.operation_energy + found.memory_energy


def test_cost_of_the_other_precisions_by_hand() -> None:
    connect = cost(LAYERS, Precision(weight_bits=1))
    assert (connect.additions, connect.multiplications) == (114, 0)
    assert connect.parameter_bits == 96 + 32 * 18
    assert connect.operation_energy == pytest.approx(114 * 0.9e-12)
    net = cost(LAYERS, Precision(weight_bits=1, binary_inputs=True))
    assert net.operation_energy == pytest.approx(80 * 0.9e-12 + 34 * 0.05e-12)  # the observation is no sign
    shared = cost(LAYERS, Precision(shared=8))
    assert (shared.additions, shared.multiplications) == (114, 96)
    assert shared.parameter_bits == 96 * 3 + 2 * 8 * 32 + 32 * 18
    assert (shared.parameter_bits - 32 * 18) == pytest.approx(
        32 * 64 / compression_rate(64, 8) + 32 * 32 / compression_rate(32, 8)
    )
    pruned = cost((LayerSize(64, 16, kept=32), LayerSize(32, 2, kept=16)), Precision(pruned=True))
    assert (pruned.additions, pruned.multiplications) == (48 + 18, 48)
    assert pruned.parameter_bits == 48 * 32 + 96 + 32 * 18
    assert cost(LAYERS, Precision(memory="DRAM")).memory_energy == pytest.approx(114 * 640e-12)


def test_a_kernel_is_used_at_every_place() -> None:
    found = cost([LayerSize(9, 1, uses=100)], Precision())
    assert (found.additions, found.multiplications) == (1000, 900)
    assert found.parameter_bits == 320
    assert cost([], Precision()) == Cost()


def test_table_of_operations() -> None:
    ratio = TABLE_I["32b float multiply"].energy / TABLE_I["8b multiply"].energy
    assert math.isclose(ratio, 18.5)  # the paper's text: 19 times less for 8-bit arithmetic
    assert TABLE_I["32b DRAM read"].energy == pytest.approx(640e-12)
