"""Acrobot-v1 as Gymnasium shows it: cosine and sine of the joints' angles, and their velocities."""

from __future__ import annotations

import dataclasses
import math

from snnrl.tasks import Acrobot
from snnrl.tasks.base import TaskKernel, Vector


def acrobot_v1_observe(state: Vector, observation: Vector, p: Vector) -> None:
    """Show cos and sin of theta1, of theta2, and both velocities."""
    observation[0] = math.cos(state[0])
    observation[1] = math.sin(state[0])
    observation[2] = math.cos(state[1])
    observation[3] = math.sin(state[1])
    observation[4] = state[2]
    observation[5] = state[3]


@dataclasses.dataclass(frozen=True)
class AcrobotV1(Acrobot):
    """`snnrl.tasks.Acrobot` with the observation of the paper ("sine and cosine of the joint angles", section IV)."""

    @property
    def observation_names(self) -> tuple[str, ...]:
        """What the policy sees."""
        return ("cos(theta1)", "sin(theta1)", "cos(theta2)", "sin(theta2)", "theta1_dot", "theta2_dot")

    @property
    def observation_labels(self) -> tuple[str, ...]:
        """What the policy sees, with units."""
        return (*self.observation_names[:4], "theta1_dot (rad/s)", "theta2_dot (rad/s)")

    @property
    def observation_scale(self) -> tuple[float, ...]:
        """1 for cosines and sines, that of the Acrobot for the velocities."""
        return (1.0, 1.0, 1.0, 1.0, *super().observation_scale[2:])

    @property
    def observation_bounded(self) -> tuple[bool, ...]:
        """All but the velocities."""
        return True, True, True, True, False, False

    @property
    def observation_periodic(self) -> tuple[bool, ...]:
        """None of them."""
        return (False,) * 6

    def kernel(self) -> TaskKernel:
        """Give the physics as plain functions, with this observation."""
        return dataclasses.replace(super().kernel(), observe=acrobot_v1_observe)
