"""The paper's numbers, read in arXiv 1809.09260: tables 2 and 3; its figures have no numbers."""

from __future__ import annotations

TEMPERATURES = (0.05, 0.01, 0.005, 0.001)
"""Of table 2; its best is 0.01."""

TABLE_2 = {
    "breakout": (0.0, 0.9580, 0.6058, 0.3157),
    "beam-rider": (0.2646, 1.0014, 0.9416, 0.6177),
    "qbert": (1.0499, 0.9642, 0.972, 0.8975),
    "space-invaders": (0.8087, 0.8044, 0.7376, 0.6688),
}
"""Score over the teacher's for each of `TEMPERATURES`; the size of the student is not stated."""

TABLE_3 = {
    ("1-chip", "nll"): 0.6931,
    ("1-chip", "kl"): 0.7671,
    ("2-chip", "nll"): 0.8145,
    ("2-chip", "kl"): 0.8715,
    ("4-chip", "nll"): 0.9428,
    ("4-chip", "kl"): 0.9824,
}
"""Score over the teacher's by size and loss, mean over the ten games."""


def table_2(game: str, temperature: float) -> float | None:
    """Return what table 2 has for a game at a temperature, None where it has nothing."""
    if game not in TABLE_2 or temperature not in TEMPERATURES:
        return None
    return TABLE_2[game][TEMPERATURES.index(temperature)]
