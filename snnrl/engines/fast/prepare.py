"""Lowered agents, kept on disk so that a second start does not import brian2."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from snnrl.engines.fast.cache import cache_folder, write_atomically
from snnrl.equations import store
from snnrl.equations.lowered import LoweredNetwork
from snnrl.model import AgentModel, to_json


@cache
def _code_digest() -> str:
    """Return a digest of the code that lowers and generates: a changed snnrl never reads stale files."""
    here = Path(__file__).parent
    files = sorted([*here.glob("*.py"), *(here.parent.parent / "equations").glob("*.py")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def lowered_agent(model: AgentModel) -> LoweredNetwork:
    """Return the lowered network of an agent, from the cache if it is there."""
    key = hashlib.sha256(f"{_code_digest()} {to_json(model.network)} {model.env_step}".encode()).hexdigest()[
        :20
    ]
    path = cache_folder() / f"snnrl_lowered_{key}.json"
    if path.exists():
        return store.from_text(path.read_text())
    from snnrl.equations.lower import lower

    network = lower(model.network, model.env_step)
    text = store.to_text(network)
    if text is not None:
        write_atomically(path, text)
    return network
