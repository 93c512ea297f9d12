"""`PongLearner`: a policy with one hidden layer that learns Pong from the screen by the policy gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from snnrl.networks.dense_options import Vpg
from snnrl.plasticity.low_precision.sharing import prune_smallest, share
from snnrl.plasticity.low_precision.stacked import SparseLinear
from snnrl.studies.green2018.methods import METHODS
from snnrl.studies.green2018.pong_screens import ACTIONS, ACTIVE, INPUTS, Seen, inputs_of, joined, things
from snnrl.tasks.atari import Atari, LaneState, Protocol
from snnrl.training.dense_slots import Episodes, FloatArray
from snnrl.training.dense_vpg import (
    advantages,
    gumbel_noise,
    initial_seed,
    optimiser_arrays,
    policy_loss,
    restore_optimiser,
)

State = dict[str, NDArray[Any]]
LANES, STEPS = 8, 64
"""Games side by side, and decisions of each between two updates."""
OPTIONS = Vpg(
    activation="relu", advantage="gae", gamma=0.99, gae_lambda=0.95, learning_rate=3e-4, value_rate=1e-3,
    entropy=0.01, value_steps=1, normalise=False,
)  # fmt: skip
"""Advantages as they are: as long as no point is won they are noise, which would be made as large as what teaches later."""
PLAY = Protocol(epsilon=0.0, preprocessing="ddqn", max_frames=108_000)
"""Rules of play: no sticky actions, 1 to 30 no-ops at the start, an action held for 4 frames."""
ACTION_STREAM = "green2018/pong/action"


class OneHidden(nn.Module):
    """A network with one hidden layer of rectified units over few active inputs."""

    def __init__(self, hidden: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.first = SparseLinear(INPUTS, hidden, generator, ACTIVE)
        self.last = nn.Linear(hidden, outputs)
        nn.init.orthogonal_(self.last.weight, 0.01 if outputs > 1 else 1.0, generator)
        nn.init.zeros_(self.last.bias)

    def forward(self, seen: Seen) -> Tensor:
        """Return ``[decisions, outputs]``."""
        places, offsets, values = (torch.from_numpy(each) for each in seen)
        hidden: Tensor = torch.relu(self.first(places, offsets, values))
        outputs: Tensor = self.last(hidden)
        return outputs


def _adam(network: nn.Module, rate: float) -> torch.optim.Optimizer:
    """Return an optimiser whose steps are small where gradients are: its epsilon is that of the usual actor-critics."""
    return torch.optim.Adam(network.parameters(), rate, eps=1e-5)


class PongLearner:
    """A policy, its critic, and the games that it plays.

    Parameters
    ----------
    seed
        Of weights, games and actions.
    hidden
        Hidden units.
    method
        One of `METHODS` of full precision at the beginning.
    """

    def __init__(self, seed: int, hidden: int, method: str) -> None:
        self.seed, self.method = seed, METHODS[method]
        generator = torch.Generator().manual_seed(initial_seed(seed))
        self.policy, self.value = (OneHidden(hidden, n, generator) for n in (len(ACTIONS), 1))
        self.optimisers = {
            "policy": _adam(self.policy, OPTIONS.learning_rate),
            "value": _adam(self.value, OPTIONS.value_rate),
        }
        self.games = Atari("pong", LANES, seed, PLAY)
        self.actions = np.array([self.games.action_names.index(name) for name in ACTIONS])
        self.before = self.now = things(self.games.reset())
        self.updates, self.optimised = 0, False
        self.scores: list[tuple[float, float]] = []

    @property
    def decisions(self) -> int:
        """Decisions taken while learning."""
        return self.updates * STEPS * LANES

    def update(self) -> None:
        """Play `STEPS` decisions in every game and take one step of policy and critic."""
        seen, episodes, bounds = self._play()
        with torch.inference_mode():
            values = self.value(joined(seen))[:, 0].double().numpy().reshape(STEPS + 1, LANES)
        advantage, target = self._advantages(episodes, values, bounds)
        learned = joined(seen[:-1])
        actions = torch.from_numpy(episodes["actions"].ravel())
        weights = torch.tensor(advantage.ravel(), dtype=torch.float32)
        self._descend("policy", policy_loss(self.policy(learned), actions, weights, OPTIONS.entropy))
        aim = torch.tensor(target.ravel(), dtype=torch.float32)
        self._descend("value", nn.functional.mse_loss(self.value(learned)[:, 0], aim))
        self.updates += 1

    def _play(self) -> tuple[list[Seen], dict[str, NDArray[Any]], NDArray[np.bool_]]:
        """Return what was seen, at the end too, actions and rewards ``[steps, lanes]``, and where a point was made."""
        seen: list[Seen] = []
        actions = np.zeros((STEPS, LANES), np.int64)
        rewards = np.zeros((STEPS, LANES))
        for step in range(STEPS):
            seen.append(inputs_of(self.before, self.now))
            noise = gumbel_noise(self.seed, ACTION_STREAM, self.updates * STEPS + step, (LANES, len(ACTIONS)))
            with torch.inference_mode():
                logits = self.policy(seen[-1]).numpy()
            actions[step] = np.argmax(logits + noise, axis=1)
            rewards[step] = self._move(actions[step])
        self.scores += [(self.decisions, score) for _, score, _ in self.games.finished]
        self.games.finished.clear()
        return (
            [*seen, inputs_of(self.before, self.now)],
            {"actions": actions, "rewards": rewards},
            rewards != 0,
        )

    def _move(self, chosen: NDArray[np.int64]) -> FloatArray:
        step = self.games.step(self.actions[chosen])
        self.before, self.now = self.now, things(step.screens)
        self.before[step.fresh] = self.now[step.fresh]
        return step.rewards

    def _advantages(
        self, played: Mapping[str, NDArray[Any]], values: FloatArray, points: NDArray[np.bool_]
    ) -> tuple[FloatArray, FloatArray]:
        """Return advantages and targets of the values, ``[steps, lanes]``; a point ends a rally, as a game would."""
        advantage, target = np.zeros((STEPS, LANES)), np.zeros((STEPS, LANES))
        for lane in range(LANES):
            ends = np.flatnonzero(points[:, lane]) + 1
            cuts = np.unique([0, *ends, STEPS])
            rallies = Episodes(
                np.zeros((STEPS, 0)), played["actions"][:, lane], played["rewards"][:, lane], np.diff(cuts),
                np.isin(cuts[1:], ends), np.zeros((len(cuts) - 1, 0)),
            )  # fmt: skip
            after = values[cuts[1:], lane]
            advantage[:, lane], target[:, lane] = advantages(rallies, values[:STEPS, lane], after, OPTIONS)
        return advantage, target

    def _descend(self, part: str, loss: Tensor) -> None:
        self.optimisers[part].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[part].step()

    def optimise(self, k: int, percent: float) -> None:
        """Do what the method does at half time; the rest is fine-tuning."""
        if self.method.shared:
            share(self.policy, k, self.seed)
        if self.method.pruned:
            prune_smallest(self.policy, percent)
        if self.method.shared or self.method.pruned:
            self.optimisers["policy"] = _adam(self.policy, OPTIONS.learning_rate)
        self.optimised = True

    def evaluate(self, games: int, seed: int) -> list[float]:
        """Play games with the likeliest action; return their scores, in the order of the lanes."""
        with Atari("pong", games, seed, PLAY) as arena:
            before = now = things(arena.reset())
            running = np.ones(games, dtype=bool)
            while running.any():
                with torch.inference_mode():
                    chosen = self.policy(inputs_of(before, now)).argmax(dim=1).numpy()
                step = arena.step(self.actions[chosen], running)
                before, now = now, things(step.screens)
                running &= ~step.ended
            return [score for _, score, _ in sorted(arena.finished)]

    def kept(self) -> list[int]:
        """Return how many weights of each layer are not zero."""
        with torch.no_grad():
            self.policy(inputs_of(self.before, self.now))  # brings pruned weights up to date
        return [int(torch.count_nonzero(each.weight)) for each in (self.policy.first, self.policy.last)]

    def close(self) -> None:
        """Close the games."""
        self.games.close()

    # ------------------------------------------------------------------ state

    def save(self) -> State:
        """Return everything that it takes to go on, between two updates."""
        networks = {"policy": self.policy, "value": self.value}
        state: State = {
            f"{part}/{name}": each.detach().numpy().copy()
            for part, network in networks.items()
            for name, each in [*network.named_parameters(), *network.named_buffers()]
        }
        for part, optimiser in self.optimisers.items():
            state |= {f"optimiser/{part}/{name}": a for name, a in optimiser_arrays(optimiser).items()}
        for lane in range(LANES):
            arrays = self.games.clone_state(lane).to_arrays()
            state |= {f"lane/{lane}/{name}": array for name, array in arrays.items()}
        return state | {
            "before": self.before, "now": self.now, "updates": np.array(self.updates),
            "optimised": np.array(self.optimised), "scores": np.array(self.scores).reshape(-1, 2),
        }  # fmt: skip

    def restore(self, state: State, k: int, percent: float) -> None:
        """Put back what `save` returned; ``k`` and ``percent`` as in `optimise`."""
        if state["optimised"]:
            self.optimise(k, percent)
        for part, network in (("policy", self.policy), ("value", self.value)):
            with torch.no_grad():
                for name, each in [*network.named_parameters(), *network.named_buffers()]:
                    each.copy_(torch.from_numpy(state[f"{part}/{name}"]))
        for part, optimiser in self.optimisers.items():
            restore_optimiser(optimiser, state, f"optimiser/{part}/")
        for lane in range(LANES):
            prefix = f"lane/{lane}/"
            arrays = {key.removeprefix(prefix): a for key, a in state.items() if key.startswith(prefix)}
            self.games.restore_state(lane, LaneState.from_arrays(arrays))
        self.before, self.now = state["before"], state["now"]
        self.updates, self.optimised = int(state["updates"]), bool(state["optimised"])
        self.scores = [(float(at), float(score)) for at, score in state["scores"]]
