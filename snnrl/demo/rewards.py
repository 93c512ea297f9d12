"""Several rewards in one compiled function, so that a running kernel can change over without being compiled again."""

from __future__ import annotations

import ast
from collections.abc import Iterable

import numpy as np

from snnrl.engines.fast.cache import load_module
from snnrl.errors import InvalidValueError
from snnrl.tasks import Task, rewards, source_of
from snnrl.tasks.base import FloatArray, RewardFunction
from snnrl.tasks.rewards import Reward

_ARGUMENTS = ("before", "after", "terminated", "step", "record", "p")
_NAME = "chosen_reward"


class RewardChoice:
    """Rewards to choose from while an agent runs.

    The function holds the text of each reward under a condition on ``p[0]``; what follows in ``p`` are the parameters of
    all of them, one after the other. No reward is written a second time.

    Parameters
    ----------
    choices
        Rewards, bound to the task.
    first
        Name of the one to begin with.
    """

    def __init__(self, choices: Iterable[Reward], first: str) -> None:
        self.choices = {reward.name: reward for reward in choices}
        self.function = _compose(list(self.choices.values()))
        self.p = np.concatenate([[0.0], *(reward.p for reward in self.choices.values())])
        self.choose(first)

    def choose(self, name: str) -> None:
        """Change over to another reward, in place.

        Raises
        ------
        InvalidValueError
            If it is none of the choices.
        """
        if name not in self.choices:
            raise InvalidValueError("reward", name, ", ".join(self.choices))
        self.chosen = name
        self.p[0] = list(self.choices).index(name)

    def reward(self) -> Reward:
        """Return the choice as one reward, for an engine."""
        chosen = self.choices[self.chosen]
        return Reward("choice", _numbered(self.p), self.function, chosen.formula, chosen.source, chosen.range)


def fitting_rewards(task: Task, own: Reward) -> list[Reward]:
    """Return every registered reward that fits a task, and ``own`` in place of the one of its name."""
    found = {own.name: own}
    for name in rewards.names():
        try:
            found.setdefault(name, rewards.make(name).bind(task))
        except InvalidValueError:
            continue
    return list(found.values())


def _numbered(p: FloatArray) -> dict[str, float]:
    return {f"p{place}": float(value) for place, value in enumerate(p)}


def _compose(choices: list[Reward]) -> RewardFunction:
    """Return one function with the text of all of them, from a module in the kernels' folder."""
    lines = [
        '"""Rewards to choose from, put together by snnrl; safe to delete."""',
        "",
        "import math",
        "",
        "",
    ]
    lines.append(f"def {_NAME}({', '.join(_ARGUMENTS)}):")
    offset = 1
    for place, reward in enumerate(choices):
        lines.append(f"    if p[0] == {place}:")
        lines += [f"        {line}" for line in _body(reward, place, offset).splitlines()]
        offset += len(reward.parameters)
    lines.append("    return 0.0")
    function: RewardFunction = getattr(load_module("\n".join(lines) + "\n"), _NAME)
    return function


def _body(reward: Reward, place: int, offset: int) -> str:
    """Return a reward's statements, with names of their own and its parameters from ``p[offset]`` on."""
    definition = ast.parse(source_of(reward.function)).body[0]
    assert isinstance(definition, ast.FunctionDef)
    arguments = [argument.arg for argument in definition.args.args]
    names = dict(zip(arguments, _ARGUMENTS, strict=True))
    stored = {n.id for n in ast.walk(definition) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    names |= {name: f"{name}_{place}" for name in stored}
    body = ast.Module([_Renamed(names, offset).visit(statement) for statement in definition.body], [])
    return ast.unparse(ast.fix_missing_locations(body))


class _Renamed(ast.NodeTransformer):
    """Gives names another meaning, and moves the places in ``p``."""

    def __init__(self, names: dict[str, str], offset: int) -> None:
        self.names, self.offset = names, offset

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Rename."""
        return ast.copy_location(ast.Name(self.names.get(node.id, node.id), node.ctx), node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Move a place in the parameters."""
        renamed = self.generic_visit(node)
        assert isinstance(renamed, ast.Subscript)
        if isinstance(renamed.value, ast.Name) and renamed.value.id == "p":
            renamed.slice = ast.BinOp(ast.Constant(self.offset), ast.Add(), renamed.slice)
        return renamed
