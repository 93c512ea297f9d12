"""Zip files of Stable-Baselines3 as `DenseNetwork`: weights only.

Of the zip, ``policy.pth`` is read as tensors, and the JSON of ``data`` as text: the activation and the observation space
stand there in words beside their pickles, which are never touched.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import TYPE_CHECKING, Any

from snnrl.conversion.torch_file import as_array, load_weights
from snnrl.errors import InvalidValueError
from snnrl.networks.dense import IMAGE_SCALE, DenseNetwork, Shape
from snnrl.networks.dense_sb3 import policy_network

if TYPE_CHECKING:
    from snnrl.conversion.sources import Hints

_LARGEST = 2**30
_NAMES = {"ReLU": "relu", "Tanh": "tanh"}


def from_zip(content: bytes, name: str, hints: Hints) -> DenseNetwork:
    """Return the network of a file written by ``model.save`` of A2C, PPO or DQN.

    Images are divided by 255, as the policy itself does it.

    Parameters
    ----------
    content
        The file.
    name
        Its path, for messages.
    hints
        What the file leaves open.

    Raises
    ------
    InvalidValueError
        If the file is damaged or of another kind; nothing in it has been executed.
    """
    weights, text = (_member(content, member, name) for member in ("policy.pth", "data"))
    loaded = load_weights(weights, f"{name}, policy.pth")
    if not isinstance(loaded, dict) or not all(hasattr(value, "numpy") for value in loaded.values()):
        raise InvalidValueError("Stable-Baselines3 file", f"{name}, policy.pth", "the state dict of a policy")
    arrays = {str(key): as_array(value) for key, value in loaded.items()}
    data = _data(text, name)
    shape, images = _observation(data, name, hints)
    scale: Any = hints.observation_scale
    if scale is None and images and _normalises(data):
        scale = IMAGE_SCALE
    return policy_network(
        arrays, hints.activation or _activation(data, "q_net" in " ".join(arrays)), shape, scale
    )


def _member(content: bytes, member: str, name: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if archive.getinfo(member).file_size > _LARGEST:
                allowed = f"at most {_LARGEST // 2**20} MiB unpacked"
                raise InvalidValueError(
                    f"size of {member} in {name}", archive.getinfo(member).file_size, allowed
                )
            return archive.read(member)
    except InvalidValueError:
        raise
    except Exception as error:  # a damaged zip leads the reader into any of a dozen
        allowed = f"a zip with policy.pth and data ({type(error).__name__})"
        raise InvalidValueError("Stable-Baselines3 file", name, allowed) from error


def _data(text: bytes, name: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise InvalidValueError("Stable-Baselines3 file", f"{name}, data", "a JSON object")
    return data


def _observation(data: dict[str, Any], name: str, hints: Hints) -> tuple[Shape, bool]:
    """Return the shape of one observation, as the policy sees it (channels first), and whether it is an image."""
    space = data.get("observation_space")
    space = space if isinstance(space, dict) else {}
    kind, stored = str(space.get(":type:")), space.get("_shape")
    sizes = isinstance(stored, list) and all(type(size) is int and size >= 1 for size in stored)
    if "Box" not in kind or not stored or not sizes:
        allowed = "a Box: a vector, or images"
        raise InvalidValueError(f"observation space in {name}", kind, allowed)
    images = len(stored) == 3 and str(space.get("dtype")) == "uint8"
    return hints.observation_shape or tuple(stored), images


def _policy_options(data: dict[str, Any]) -> dict[str, Any]:
    options = data.get("policy_kwargs")
    return options if isinstance(options, dict) else {}


def _normalises(data: dict[str, Any]) -> bool:
    return str(_policy_options(data).get("normalize_images", True)).lower() != "false"


def _activation(data: dict[str, Any], q_network: bool) -> str:
    """Return the activation that was asked for, else the policy's default: tanh, for Q-networks ReLU."""
    asked = _policy_options(data).get("activation_fn")
    if asked is None:
        return "relu" if q_network else "tanh"
    found = re.fullmatch(r"<class 'torch\.nn\.modules\.activation\.(\w+)'>", str(asked))
    if found is None or found[1] not in _NAMES:
        raise InvalidValueError("activation_fn of a Stable-Baselines3 policy", str(asked), ", ".join(_NAMES))
    return _NAMES[found[1]]
