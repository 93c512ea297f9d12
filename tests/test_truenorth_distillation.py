"""Policy distillation into students, and the cart-pole actor under the chip's constraints."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy

from snnrl.engines.truenorth.on_chip import ChipStudent
from snnrl.engines.truenorth.packed import PackedNetwork
from snnrl.networks.truenorth import plan_cores
from snnrl.networks.truenorth.cartpole import CARTPOLE, cartpole_frames
from snnrl.networks.truenorth.distillation import (
    distillation_loss,
    optimiser_of,
    settle_statistics,
    train_batch,
)
from snnrl.networks.truenorth.mapping import map_network
from snnrl.networks.truenorth.students import Student


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small products on several threads wait for each other more than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def states(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, [0.5, 0.5, 0.05, 0.5], (n, 4))


def linear_teacher(x: np.ndarray) -> torch.Tensor:
    """Return logits of a controller that balances the pole."""
    push = x @ np.array([0.1, 0.3, 4.0, 1.0])
    return torch.from_numpy(np.stack((-5 * push, 5 * push), axis=1)).float()


def test_the_loss_is_the_divergence_of_equation_6() -> None:
    rng = np.random.default_rng(0)
    student, teacher = rng.normal(0, 3, (2, 7, 5))
    expected = np.mean(entropy(softmax(teacher / 0.2, axis=1), softmax(student, axis=1), axis=1))
    found = distillation_loss(torch.from_numpy(student), torch.from_numpy(teacher), 0.2)
    assert float(found) == pytest.approx(float(expected))
    assert float(
        distillation_loss(torch.from_numpy(student), torch.from_numpy(student) * 0.2, 0.2)
    ) == pytest.approx(0)


def test_statistics_are_those_of_all_frames_as_settled_layers_see_them() -> None:
    torch.manual_seed(0)
    student = Student(CARTPOLE, 2)
    frames = torch.from_numpy(cartpole_frames(states(96, 0)))
    settle_statistics(student, frames.split([40, 56]))
    x = frames.float()
    for block in student.layer_blocks:
        sums = block.conv(x)
        assert torch.allclose(block.step.mean, sums.mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-6)
        assert torch.allclose(block.step.variance, sums.var((0, 2, 3), correction=0), rtol=1e-4, atol=1e-6)
        x = block(x)
    assert not student.training


def test_a_distilled_actor_answers_as_its_teacher_on_cores_too() -> None:
    torch.manual_seed(0)
    student, seen, rng = Student(CARTPOLE, 2), states(2000, 0), np.random.default_rng(0)
    frames, answers, optimiser = (
        torch.from_numpy(cartpole_frames(seen)),
        linear_teacher(seen),
        optimiser_of(student),
    )
    divergences = []
    for _ in range(120):
        rows = torch.from_numpy(rng.integers(0, len(frames), 64))
        divergences.append(train_batch(student, optimiser, frames[rows], answers[rows]))
    settle_statistics(student, frames.split(500))
    assert np.mean(divergences[-10:]) < 0.5 * np.mean(divergences[:5])
    network, fresh = student.to_integer(), states(300, 1)
    inputs = cartpole_frames(fresh)
    actions = network.actions(inputs)
    assert np.mean(actions == linear_teacher(fresh).argmax(dim=1).numpy()) > 0.9
    assert np.array_equal(PackedNetwork(network).actions(inputs), actions)
    assert np.array_equal(ChipStudent(network, map_network(network)).actions(inputs), actions)


def test_biases_take_smaller_steps() -> None:
    student = Student(CARTPOLE, 2)
    weights, biases = optimiser_of(student, 0.02).param_groups
    assert (weights["lr"], biases["lr"]) == (0.02, 0.002)
    assert [tuple(p.shape) for p in biases["params"]] == [(128,), (128,), (256,)]
    assert sum(p.numel() for p in weights["params"]) == CARTPOLE.parameters


def test_states_become_pixels_at_three_gains() -> None:
    frames = cartpole_frames([[2.4, 0.0, 0.2095 / 16, -3.5 / 4]])
    assert frames.shape == (1, 12, 1, 1)
    assert frames.ravel().tolist() == [255, 255, 255, 128, 128, 128, 135, 159, 255, 96, 0, 0]


def test_the_actor_takes_two_cores() -> None:
    assert plan_cores(CARTPOLE).cores == 2
