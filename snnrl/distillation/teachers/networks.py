"""Trained networks as teachers."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from snnrl.distillation.teachers.base import Outputs, Ratings, Teacher
from snnrl.errors import InvalidValueError
from snnrl.tasks.atari.screens import SIDE

DEPTH = 4
"""Screens in a stack."""


class NetworkTeacher(Teacher):
    """A torch module that rates actions.

    Parameters
    ----------
    name, preprocessing, outputs
        As of `Teacher`.
    module
        From ``float32[b, 4, 84, 84]``, 0 to 255, to ``[b, actions]``, or to a tuple that begins with it.
    device
        Where it is computed.

    Raises
    ------
    InvalidValueError
        The module does not take such stacks.
    """

    def __init__(
        self, name: str, preprocessing: str, outputs: Outputs, module: nn.Module, device: str = "cpu"
    ) -> None:
        self.module, self.device = module.to(device).eval(), torch.device(device)
        super().__init__(name, preprocessing, outputs, self._count(name))

    def _count(self, name: str) -> int:
        blank = np.zeros((1, DEPTH, SIDE, SIDE), np.uint8)
        try:
            found = self.outputs_of(blank)
        except RuntimeError as error:
            allowed = f"a network that takes float32[batch, {DEPTH}, {SIDE}, {SIDE}] ({' '.join(str(error).split())})"
            raise InvalidValueError("teacher", name, allowed) from error
        if found.ndim != 2:
            raise InvalidValueError(f"outputs of teacher {name}", found.shape, "[batch, actions]")
        return int(found.shape[1])

    @torch.inference_mode()
    def outputs_of(self, stacks: NDArray[np.uint8]) -> Ratings:
        """Return ratings ``float32[b, n_actions]`` for ``uint8[b, 4, 84, 84]``, oldest screen first."""
        found = self.module(torch.from_numpy(stacks).to(self.device).float())
        ratings = found[0] if isinstance(found, tuple) else found
        return np.asarray(ratings.float().cpu().numpy())
