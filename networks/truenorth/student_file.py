"""Students as packed files: weights in base 3, five to a byte; nothing is pickled and nothing executed.

Layout, little endian::

    8 bytes   SNNRL-TN
    uint16    version of this layout
    uint32    length of the header
    header    JSON: student, channels, side, layers [features, kernel, stride, padding, groups], actions,
              signed_input, logit_scale
    weights   all layers one after the other, base 3, digit = weight + 1, first weight lowest, last byte
    filled up with 1 int32     thresholds, all layers one after the other uint32    CRC-32 of everything
    before
"""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.truenorth.integer import IntegerLayer, IntegerNetwork, Weights, weight_shape
from snnrl.networks.truenorth.specs import LayerSpec, StudentSpec

STUDENT_FILE = "student.tn"
"""The packed student of the first agent in a run folder."""
MAGIC = b"SNNRL-TN"
VERSION = 1
_PREFIX = struct.Struct("<8sHI")
_CRC = struct.Struct("<I")
MAX_HEADER = 65536
DIGITS = 5
"""Weights in a byte: 3**5 = 243."""
_POWERS = 3 ** np.arange(DIGITS)


class DamagedFileError(InvalidValueError):
    """A file that does not hold what it should."""


def to_bytes(network: IntegerNetwork) -> bytes:
    """Return the student as the bytes of a packed file."""
    spec = network.spec
    header = {
        "student": spec.name,
        "channels": spec.channels,
        "side": spec.side,
        "layers": [[r.features, r.kernel, r.stride, r.padding, r.groups] for r in spec.layers],
        "actions": network.n_actions,
        "signed_input": network.signed_input,
        "logit_scale": network.logit_scale,
    }
    text = json.dumps(header).encode()
    weights = pack_ternary(np.concatenate([layer.weights.ravel() for layer in network.layers]))
    thresholds = np.concatenate([layer.thresholds for layer in network.layers]).astype("<i4").tobytes()
    content = _PREFIX.pack(MAGIC, VERSION, len(text)) + text + weights + thresholds
    return content + _CRC.pack(zlib.crc32(content))


def from_bytes(content: bytes, name: str = "student file") -> IntegerNetwork:
    """Return the student in the bytes of a packed file.

    Raises
    ------
    InvalidValueError
        The bytes are no student, are damaged, or are of another version; the message begins with ``name``.
    """
    try:
        header, payload = _split(content)
        return _network(header, payload)
    except DamagedFileError as error:
        raise InvalidValueError(name, error.got, error.allowed) from None
    except InvalidValueError as error:
        raise InvalidValueError(name, f"{error.name} {error.got!r}", error.allowed) from None
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        got = f"a header that cannot be read ({type(error).__name__}: {' '.join(str(error).split())})"
        raise InvalidValueError(name, got, "a student saved by snnrl") from None


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return header and payload, after the checks that need no header."""
    if len(content) < _PREFIX.size + _CRC.size or not content.startswith(MAGIC):
        raise DamagedFileError("", f"{len(content)} bytes of something else", "a student saved by snnrl")
    _, version, length = _PREFIX.unpack_from(content)
    if version != VERSION:
        raise DamagedFileError("", f"version {version}", f"version {VERSION}, which this snnrl reads")
    if length > min(MAX_HEADER, len(content) - _PREFIX.size - _CRC.size):
        raise DamagedFileError("", f"a header of {length} bytes", f"at most {MAX_HEADER}, inside the file")
    (crc,) = _CRC.unpack_from(content, len(content) - _CRC.size)
    if crc != zlib.crc32(content[: -_CRC.size]):
        raise DamagedFileError("", "damaged bytes", "a file whose checksum is right")
    header = json.loads(content[_PREFIX.size : _PREFIX.size + length])
    if not isinstance(header, dict):
        raise TypeError("no object")
    return header, content[_PREFIX.size + length : -_CRC.size]


def _network(header: dict[str, Any], payload: bytes) -> IntegerNetwork:
    rows = header["layers"]
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 5 for row in rows):
        raise TypeError("layers are lists of five numbers")
    if not isinstance(header["student"], str) or not isinstance(header["signed_input"], bool):
        raise TypeError("student is a text, signed_input true or false")
    spec = StudentSpec(
        header["student"], tuple(LayerSpec(*row) for row in rows), header["channels"], header["side"]
    )
    n_bytes = -(-spec.parameters // DIGITS)
    features = [layer.features for layer in spec.layers]
    expected = n_bytes + 4 * sum(features)
    if len(payload) != expected:  # before anything of that size is made
        raise DamagedFileError("", f"{len(payload)} bytes of weights and thresholds", f"{expected}")
    weights = unpack_ternary(payload[:n_bytes], spec.parameters)
    thresholds = np.frombuffer(payload, "<i4", offset=n_bytes)
    ends = np.cumsum([place.parameters for place in spec.places()])[:-1]
    layers = tuple(
        IntegerLayer(w.reshape(weight_shape(place)), t)
        for place, w, t in zip(
            spec.places(),
            np.split(weights, ends),
            np.split(thresholds, np.cumsum(features)[:-1]),
            strict=True,
        )
    )
    scale = float(header["logit_scale"])
    return IntegerNetwork(spec, layers, header["actions"], header["signed_input"], scale)


def pack_ternary(weights: NDArray[np.int8]) -> bytes:
    """Return weights in {-1, 0, 1} in base 3, five to a byte."""
    filled = np.zeros(-(-weights.size // DIGITS) * DIGITS, np.int8)
    filled[: weights.size] = weights
    return ((filled.reshape(-1, DIGITS) + 1) @ _POWERS).astype(np.uint8).tobytes()


def unpack_ternary(content: bytes, size: int) -> Weights:
    """Return the weights that `pack_ternary` packed.

    Raises
    ------
    DamagedFileError
        A byte is larger than five digits can be, or what fills up the last one is not zero weights.
    """
    packed = np.frombuffer(content, np.uint8)
    if packed.size and int(packed.max()) >= 3**DIGITS:
        raise DamagedFileError("", f"byte {packed.max()} among the weights", f"at most {3**DIGITS - 1}")
    digits = (packed[:, None] // _POWERS % 3).astype(np.int8).ravel() - np.int8(1)
    if digits[size:].any():
        raise DamagedFileError("", "weights behind the last one", "zeros")
    return digits[:size]


def write(network: IntegerNetwork, path: Path) -> None:
    """Write a packed file.

    Raises
    ------
    InvalidValueError
        It cannot be written.
    """
    try:
        path.write_bytes(to_bytes(network))
    except OSError as error:
        allowed = f"a file that can be written ({error.strerror})"
        raise InvalidValueError("student file", str(path), allowed) from error


def read(path: Path) -> IntegerNetwork:
    """Read a packed file.

    Raises
    ------
    InvalidValueError
        It cannot be read, is damaged, or is of another version.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        allowed = f"a file that can be read ({error.strerror})"
        raise InvalidValueError("student file", str(path), allowed) from error
    return from_bytes(content, f"student file {path}")
