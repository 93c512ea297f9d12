"""Students as packed files: weights in base 3, five to a byte; nothing is pickled and nothing executed.

Layout, little endian::

    8 bytes   SNNRL-TN
    uint16    version of this layout
    uint32    length of the header
    header    JSON: student, channels, side, layers [features, kernel, stride, padding, groups], actions,
              signed_input, logit_scale; version 2 also games, each {vision: {kind, visible}, info}
    weights   all layers one after the other, base 3, digit = weight + 1, first weight lowest, last byte
              filled up with 1
    int32     thresholds, all layers one after the other
    zlib      version 2: the games' backgrounds, uint8[games, side, side], where students see differences
    uint32    CRC-32 of everything before

A student that knows no game is written as version 1. Both versions are read.
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
from snnrl.networks.truenorth.packed_student import PackedStudent, StudentGame
from snnrl.networks.truenorth.specs import LayerSpec, StudentSpec
from snnrl.networks.truenorth.vision import Vision

STUDENT_FILE = "student.tn"
"""The packed student of the first agent in a run folder."""
MAGIC = b"SNNRL-TN"
VERSIONS = (1, 2)
"""Without and with games."""
_PREFIX = struct.Struct("<8sHI")
_CRC = struct.Struct("<I")
MAX_HEADER = 65536
DIGITS = 5
"""Weights in a byte: 3**5 = 243."""
_POWERS = 3 ** np.arange(DIGITS)


class DamagedFileError(InvalidValueError):
    """A file that does not hold what it should."""


def to_bytes(student: IntegerNetwork | PackedStudent) -> bytes:
    """Return the student as the bytes of a packed file.

    Raises
    ------
    InvalidValueError
        What is told about its games is no JSON, or too long.
    """
    packed = student if isinstance(student, PackedStudent) else PackedStudent(student)
    network, games = packed.network, packed.games
    text = _header(network, games)
    weights = pack_ternary(np.concatenate([layer.weights.ravel() for layer in network.layers]))
    thresholds = np.concatenate([layer.thresholds for layer in network.layers]).astype("<i4").tobytes()
    version = VERSIONS[1] if games else VERSIONS[0]
    content = _PREFIX.pack(MAGIC, version, len(text)) + text + weights + thresholds + _backgrounds(games)
    return content + _CRC.pack(zlib.crc32(content))


def _header(network: IntegerNetwork, games: tuple[StudentGame, ...]) -> bytes:
    spec = network.spec
    header: dict[str, Any] = {
        "student": spec.name,
        "channels": spec.channels,
        "side": spec.side,
        "layers": [[r.features, r.kernel, r.stride, r.padding, r.groups] for r in spec.layers],
        "actions": network.n_actions,
        "signed_input": network.signed_input,
        "logit_scale": network.logit_scale,
    }
    if games:
        header["games"] = [
            {"vision": {"kind": g.vision.kind, "visible": g.vision.visible}, "info": dict(g.info)}
            for g in games
        ]
    try:
        text = json.dumps(header, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidValueError("info of a student", str(error), "JSON values") from error
    if len(text) > MAX_HEADER:
        raise InvalidValueError("info of a student", f"{len(text)} bytes", f"at most {MAX_HEADER}")
    return text


def _backgrounds(games: tuple[StudentGame, ...]) -> bytes:
    pictures = [g.vision.background.tobytes() for g in games if g.vision.background is not None]
    return zlib.compress(b"".join(pictures), 9) if pictures else b""


def from_bytes(content: bytes, name: str = "student file") -> IntegerNetwork:
    """Return the network of the student in the bytes of a packed file; see `student_from_bytes`."""
    return student_from_bytes(content, name).network


def student_from_bytes(content: bytes, name: str = "student file") -> PackedStudent:
    """Return the student in the bytes of a packed file.

    Raises
    ------
    InvalidValueError
        The bytes are no student, are damaged, or are of another version; the message begins with ``name``.
    """
    try:
        version, header, payload = _split(content)
        network, rest = _network(header, payload, version)
        if version == VERSIONS[0]:
            return PackedStudent(network)
        first, *others = _games(header, rest, network.spec.side)
        return PackedStudent(network, first.vision, first.info, tuple(others))
    except DamagedFileError as error:
        raise InvalidValueError(name, error.got, error.allowed) from None
    except InvalidValueError as error:
        raise InvalidValueError(name, f"{error.name} {error.got!r}", error.allowed) from None
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        got = f"a header that cannot be read ({type(error).__name__}: {' '.join(str(error).split())})"
        raise InvalidValueError(name, got, "a student saved by snnrl") from None


def _split(content: bytes) -> tuple[int, dict[str, Any], bytes]:
    """Return version, header and payload, after the checks that need no header."""
    if len(content) < _PREFIX.size + _CRC.size or not content.startswith(MAGIC):
        raise DamagedFileError("", f"{len(content)} bytes of something else", "a student saved by snnrl")
    _, version, length = _PREFIX.unpack_from(content)
    if version not in VERSIONS:
        raise DamagedFileError("", f"version {version}", "versions 1 and 2, which this snnrl reads")
    if length > min(MAX_HEADER, len(content) - _PREFIX.size - _CRC.size):
        raise DamagedFileError("", f"a header of {length} bytes", f"at most {MAX_HEADER}, inside the file")
    (crc,) = _CRC.unpack_from(content, len(content) - _CRC.size)
    if crc != zlib.crc32(content[: -_CRC.size]):
        raise DamagedFileError("", "damaged bytes", "a file whose checksum is right")
    header = json.loads(content[_PREFIX.size : _PREFIX.size + length])
    if not isinstance(header, dict):
        raise TypeError("no object")
    return version, header, content[_PREFIX.size + length : -_CRC.size]


def _network(header: dict[str, Any], payload: bytes, version: int) -> tuple[IntegerNetwork, bytes]:
    """Return the network, and what stands behind it."""
    spec = _spec(header)
    n_bytes = -(-spec.parameters // DIGITS)
    features = [layer.features for layer in spec.layers]
    expected = n_bytes + 4 * sum(features)
    if len(payload) < expected or (
        version == VERSIONS[0] and len(payload) > expected
    ):  # before anything of that size is made
        raise DamagedFileError("", f"{len(payload)} bytes of weights and thresholds", f"{expected}")
    weights = unpack_ternary(payload[:n_bytes], spec.parameters)
    thresholds = np.frombuffer(payload, "<i4", sum(features), n_bytes)
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
    network = IntegerNetwork(spec, layers, header["actions"], header["signed_input"], scale)
    return network, payload[expected:]


def _spec(header: dict[str, Any]) -> StudentSpec:
    rows = header["layers"]
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 5 for row in rows):
        raise TypeError("layers are lists of five numbers")
    if not isinstance(header["student"], str) or not isinstance(header["signed_input"], bool):
        raise TypeError("student is a text, signed_input true or false")
    layers = tuple(LayerSpec(*row) for row in rows)
    return StudentSpec(header["student"], layers, header["channels"], header["side"])


def _games(header: dict[str, Any], payload: bytes, side: int) -> tuple[StudentGame, ...]:
    rows = header["games"]
    if not isinstance(rows, list) or not rows or not all(isinstance(row["info"], dict) for row in rows):
        raise TypeError("games is a list of objects with vision and info")
    kinds = [row["vision"]["kind"] for row in rows]
    pictures = _pictures(payload, kinds.count("differences"), side)
    return tuple(
        StudentGame(
            Vision(kind, pictures.pop(0) if kind == "differences" else None, row["vision"]["visible"]),
            row["info"],
        )
        for kind, row in zip(kinds, rows, strict=True)
    )


def _pictures(payload: bytes, n: int, side: int) -> list[NDArray[np.uint8]]:
    """Return ``n`` backgrounds ``uint8[side, side]``, and never more memory than they take."""
    size = n * side**2
    reader = zlib.decompressobj()
    try:
        content = reader.decompress(payload, size) if n else b""
        whole = (
            not payload
            if n == 0
            else len(content) == size and not reader.decompress(reader.unconsumed_tail, 1)
        )
    except zlib.error as error:
        raise DamagedFileError("", f"backgrounds that cannot be read ({error})", f"{n} of them") from error
    if not whole or (n and (not reader.eof or reader.unused_data)):
        raise DamagedFileError("", f"{len(payload)} bytes of backgrounds", f"{n} of {side} x {side} pixels")
    return list(np.frombuffer(content, np.uint8).reshape(n, side, side))


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


def write_student(student: IntegerNetwork | PackedStudent, path: str | Path) -> None:
    """Write a packed file.

    Raises
    ------
    InvalidValueError
        It cannot be written.
    """
    content = to_bytes(student)
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        allowed = f"a file that can be written ({error.strerror})"
        raise InvalidValueError("student file", str(path), allowed) from error


def read_student(path: str | Path) -> PackedStudent:
    """Read a packed file; nothing in it is executed.

    Raises
    ------
    InvalidValueError
        It cannot be read, is damaged, or is of another version.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        allowed = f"a file that can be read ({error.strerror})"
        raise InvalidValueError("student file", str(path), allowed) from error
    return student_from_bytes(content, f"student file {path}")
