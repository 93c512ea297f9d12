"""Bit-packed inference: every spike of every layer as in the integer network."""

from __future__ import annotations

import numpy as np
import pytest

from snnrl.engines.truenorth.packed import PackedNetwork
from snnrl.engines.truenorth.packed_kernel import Row
from snnrl.errors import InvalidValueError
from snnrl.networks.truenorth import STUDENTS, IntegerNetwork, LayerSpec, StudentSpec, random_network
from snnrl.networks.truenorth.integer import interleaved


def spec(channels: int, side: int, *rows: tuple[int, ...]) -> StudentSpec:
    return StudentSpec("s", tuple(LayerSpec(*row) for row in rows), channels, side)


SHAPES = {
    "even": spec(2, 12, (16, 4, 2, 1, 1), (32, 3, 1, 1, 2), (64, 1, 1, 0, 1), (30, 2, 2, 0, 2)),
    "odd sizes": spec(3, 11, (15, 3, 2, 1, 1), (21, 3, 1, 1, 3), (14, 1, 1, 0, 7), (9, 2, 1, 1, 1)),
    "wide kernel": spec(1, 20, (9, 11, 3, 2, 1), (6, 4, 1, 3, 3)),
    "many groups": spec(1, 9, (64, 2, 2, 0, 1), (128, 3, 1, 1, 16), (96, 1, 1, 0, 32), (40, 2, 2, 1, 8)),
    "one place": spec(5, 1, (40, 1, 1, 0, 1), (130, 1, 1, 0, 1), (20, 1, 1, 0, 10)),
    "groups off chip": spec(4, 8, (12, 3, 1, 1, 2), (24, 1, 1, 0, 12)),
}


def frames(shape: StudentSpec, n: int, signed: bool = False, seed: int = 1) -> np.ndarray:
    low = -255 if signed else 0
    size = (n, shape.channels, shape.side, shape.side)
    return np.random.default_rng(seed).integers(low, 256, size).astype(np.int16)


def assert_equal(network: IntegerNetwork, given: np.ndarray) -> None:
    """Compare all layers, counts, actions and numbers of spikes."""
    packed, expected = PackedNetwork(network), network.activations(given)
    for n, frame in enumerate(given):
        for place, spikes, found in zip(
            network.spec.places(), expected, packed.activations(frame), strict=True
        ):
            order = interleaved(place.layer.features, place.layer.groups)
            assert np.array_equal(found, spikes[n][order]), f"frame {n}, layer {place.index}"
    assert np.array_equal(packed.counts(given), network.counts(given))
    assert np.array_equal(packed.actions(given), network.actions(given))
    assert np.array_equal(packed.layer_spikes(given), np.array([s.sum(axis=(1, 2, 3)) for s in expected]).T)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_random_students_spike_as_their_integers(shape: str, signed: bool, seed: int) -> None:
    network = random_network(SHAPES[shape], 4, seed, rate=0.4, signed_input=signed)
    given = frames(SHAPES[shape], 4, signed, seed)
    assert_equal(network, given)
    rates = [float(s.mean()) for s in network.activations(given)]
    assert min(rates) > 0.01
    assert max(rates) < 0.99


def test_the_mini_student_spikes_as_its_integers() -> None:
    assert_equal(random_network(STUDENTS["mini"], 6, seed=0), frames(STUDENTS["mini"], 2))


def test_extreme_pixels_and_thresholds() -> None:
    shape = SHAPES["even"]
    network = random_network(shape, 4, seed=0, signed_input=True)
    sides = np.stack([np.full((2, 12, 12), value, np.int16) for value in (-255, 0, 255)])
    assert_equal(network, sides)


def test_shares_of_actions_that_end_inside_a_byte() -> None:
    for n_actions in (1, 2, 3, 7, 30):
        network = random_network(SHAPES["even"], n_actions, seed=0, rate=0.5)
        given = frames(SHAPES["even"], 5)
        assert np.array_equal(PackedNetwork(network).counts(given), network.counts(given))


def test_frames_do_not_touch_each_other() -> None:
    network = random_network(SHAPES["odd sizes"], 3, seed=0)
    packed, given = PackedNetwork(network), frames(SHAPES["odd sizes"], 6)
    together = packed.counts(given)
    alone = np.concatenate([packed.counts(frame[None]) for frame in given[::-1]])[::-1]
    assert np.array_equal(together, alone)
    assert len(np.unique(together, axis=0)) > 1


def test_bytes_and_words_of_pixels_are_both_read() -> None:
    network = random_network(SHAPES["even"], 3, seed=0)
    given = frames(SHAPES["even"], 3)
    packed = PackedNetwork(network)
    assert np.array_equal(packed.counts(given.astype(np.uint8)), packed.counts(given))


def test_no_neuron_looks_up_its_inputs() -> None:
    """In all students the groups that neighbours read repeat after a vector or a few."""
    table = PackedNetwork(random_network(STUDENTS["mini"], 6, seed=0))._table
    assert table[:, Row.PERIOD].tolist() == [8, 8, 32, 8, 64, 8, 32]
    assert np.all(
        table[:, Row.PERIOD] * table[:, Row.BLOCKS] == [p.layer.features for p in STUDENTS["mini"].places()]
    )


def test_a_batch_of_nothing() -> None:
    packed = PackedNetwork(random_network(SHAPES["even"], 3, seed=0))
    assert packed.counts(frames(SHAPES["even"], 0)).shape == (0, 3)


def test_frames_that_do_not_fit_are_refused() -> None:
    packed = PackedNetwork(random_network(SHAPES["even"], 3, seed=0))
    with pytest.raises(InvalidValueError, match="allowed: 0 to 255"):
        packed.counts(frames(SHAPES["even"], 2, signed=True))
