"""The description of a network: pure data, no engine.

Brian2's vocabulary is the vocabulary. A `Network` holds `Neurons` and `Synapses` whose dynamics are text; an
`AgentModel` joins a network to an encoder, decoders and a learning signal.
"""

from snnrl.model.agent import AgentModel, RewardBaseline, TDError
from snnrl.model.network import Network, Neurons, Pairs, Synapses
from snnrl.model.serialize import from_json, to_json
from snnrl.model.values import Array, Value

__all__ = [
    "AgentModel",
    "Array",
    "Network",
    "Neurons",
    "Pairs",
    "RewardBaseline",
    "Synapses",
    "TDError",
    "Value",
    "from_json",
    "to_json",
]
