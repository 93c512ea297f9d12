"""Policy distillation in torch: a student learns to answer as a teacher does.

Source: McKinstry et al., equation 6, after Rusu et al., *Policy distillation* (2015). Import this module
where torch is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from snnrl.networks.truenorth.layers import StepNorm
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


def optimiser_of(student: Student, rate: float = 0.01) -> torch.optim.Optimizer:
    """Return Adam with a smaller step for the biases.

    The paper's step, 20 with plain SGD, goes with the scale of its logits and kills students with ours.
    """
    named = list(student.named_parameters())
    biases = [parameter for name, parameter in named if name.endswith("bias")]
    weights = [parameter for name, parameter in named if not name.endswith("bias")]
    return torch.optim.Adam([{"params": weights, "lr": rate}, {"params": biases, "lr": rate * BIAS_RATE}])


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
    student.train()
    optimiser.zero_grad()
    divergence = distillation_loss(student(frames), teacher, temperature)
    (divergence + student.sparsity_penalty(eta)).backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return float(divergence.detach())


@torch.no_grad()
def settle_statistics(student: Student, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics of all layers by means over these batches, before folding.

    The running ones lag behind the weights and remember only the last few batches.
    """
    norms = [module for module in student.modules() if isinstance(module, StepNorm)]
    before = [norm.momentum for norm in norms]
    student.train()
    for number, frames in enumerate(batches, start=1):
        for norm in norms:
            norm.momentum = 1 / number
        student(frames)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    student.eval()
