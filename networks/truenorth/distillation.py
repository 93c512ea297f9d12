"""Policy distillation in torch: a student learns to answer as a teacher does.

Source: McKinstry et al., equations 4 to 6, after Rusu et al., *Policy distillation* (2015). Import this module
where torch is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import functional

from snnrl.networks.truenorth.students import SPARSITY, Student

BIAS_RATE = 0.1
"""Step of the biases over that of the hidden weights: with equal steps whole layers fall silent."""


def distillation_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the mean Kullback-Leibler divergence of the student's policy from the teacher's.

    ``KL(softmax(teacher / temperature) || softmax(student))``; the student has no temperature (equation 6).

    Parameters
    ----------
    student, teacher
        Logits, or action values of the teacher, ``[batch, actions]``.
    temperature
        Of the teacher.
    """
    wanted = torch.log_softmax(teacher / temperature, dim=1)
    found = torch.log_softmax(student, dim=1)
    return (wanted.exp() * (wanted - found)).sum(dim=1).mean()


def likelihood_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of the teacher's best action (equation 5); see above."""
    return functional.cross_entropy(student, teacher.argmax(dim=1))


def squared_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean squared distance of the student's outputs from the teacher's (equation 4).

    The minus sign that the paper prints would drive them apart.
    """
    return (student - teacher).square().sum(dim=1).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "kl": distillation_loss,
    "nll": lambda student, teacher, _: likelihood_loss(student, teacher),
    "mse": lambda student, teacher, _: squared_loss(student, teacher),
}
"""Losses by name, each of the student's logits, the teacher's outputs and the temperature."""


def optimiser_of(student: Student, rate: float = 0.01, fused: bool = False) -> torch.optim.Optimizer:
    """Return Adam with a smaller step for the biases; ``fused`` computes it in one pass over memory.

    The paper's step, 20 with plain SGD, goes with the scale of its logits and kills students with ours.
    """
    named = list(student.named_parameters())
    biases = [parameter for name, parameter in named if name.endswith("bias")]
    weights = [parameter for name, parameter in named if not name.endswith("bias")]
    groups = [{"params": weights, "lr": rate}, {"params": biases, "lr": rate * BIAS_RATE}]
    return torch.optim.Adam(groups, fused=fused)


def train_batch(
    student: Student, optimiser: torch.optim.Optimizer, frames: Tensor, teacher: Tensor, temperature: float = 1.0,
    eta: float = SPARSITY,
) -> float:  # fmt: skip
    """Take one step and return the divergence before it.

    Parameters
    ----------
    frames
        Inputs, ``[batch, channels, side, side]``.
    teacher
        The teacher's logits, ``[batch, actions]``.
    temperature
        Of the teacher.
    eta
        Weight of the sparsity penalty.
    """
    return take_step(student, optimiser, frames, lambda s: distillation_loss(s, teacher, temperature), eta)


def take_step(
    student: Student, optimiser: torch.optim.Optimizer, frames: Tensor, loss: Callable[[Tensor], Tensor],
    eta: float = SPARSITY,
) -> float:  # fmt: skip
    """Take one step down the loss of the student's logits, and return the loss before it, without penalty."""
    student.train()
    optimiser.zero_grad()
    found = loss(student(frames))
    (found + student.sparsity_penalty(eta)).backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return float(found.detach())


@torch.no_grad()
def settle_statistics(student: Student, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics by those of all these frames together, before folding.

    Layer by layer: each sees the spikes that the settled layers before it give. Means over batches that are
    normalised on their own, as in training, are not what folded layers see, and the difference grows from
    layer to layer.

    Parameters
    ----------
    batches
        Frames ``[batch, channels, side, side]``; all are held at once, with one layer's spikes.
    """
    student.eval()
    seen = list(batches)
    for block in student.layer_blocks:
        block.conv.settle()
        block.step.settle(block.conv(x.float()) for x in seen)
        seen = [block(x.float()).bool() for x in seen]
