"""The `Setup` of an agent: what does not change while it is watched."""

from __future__ import annotations

import dataclasses

from snnrl.demo.live import LiveAgent
from snnrl.demo.messages import Population, Setup


def setup(agent: LiveAgent) -> Setup:
    """Return what a spectator has to know before the first frame."""
    session, shown, task = agent.session, agent.scene, agent.task
    populations = tuple(
        Population(shown.words.get(n.name, n.name.replace("_", " ")), n.size, _kind(agent, n.name))
        for n in session.network.neurons
    )
    places = {n.name: place for place, n in enumerate(session.network.neurons)}
    synapses = agent.synapses
    return Setup(
        task=agent.start.scene,
        title=shown.title,
        view=shown.view,
        dt=session.network.dt,
        env_step=agent.env_step,
        populations=populations,
        membranes=tuple(places[p.lowered.name] for p in session.kernel.populations if p.curve),
        targets=tuple((places[g.target], g.n_target) for g in synapses.groups),
        sources=synapses.shape[1],
        devices=synapses.range,
        critic=session.model.value is not None,
        max_steps=task.max_steps,
        rewards={name: reward.formula for name, reward in agent.choice.choices.items()},
        sliders=tuple(dataclasses.asdict(slider) for slider in agent.moving()),
        buttons=tuple(dataclasses.asdict(button) for button in shown.buttons),
        caption=shown.caption,
        lasting=shown.lasting,
    )


def _kind(agent: LiveAgent, name: str) -> str:
    """Return what a population is for: ``input``, ``critic``, ``action`` or ``other``."""
    model = agent.session.model
    if name == model.encoder.population:
        return "input"
    actions = [r.population for r in model.readouts[: len(model.action.populations)]]
    if name in actions:
        return f"action {actions.index(name)}"
    return "critic" if model.value is not None and name == model.readouts[-1].population else "other"
