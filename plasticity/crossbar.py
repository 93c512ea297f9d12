"""A crossbar of differential memristor pairs: weights as conductances, read by Kirchhoff, written by pulses.

The weight of row j and column i is ``u_plus - u_minus``, where u is a conductance's distance from mid-range in units
of weight: g = g_mid + u/w_max*(g_max - g_min), so that u stays within w_max/2 and w within w_max. A written weight is
symmetric, u_plus = w/2 = -u_minus (Wu et al. 2020, arXiv 2001.06930, section IV.A), and halving is exact in binary:
pairs of ideal devices hold the very numbers that a plain array would.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.errors import DeviceRangeError, InvalidValueError
from snnrl.plasticity.al2o3 import RESET, SET, Al2O3

FloatArray = NDArray[np.float64]
PLUS, MINUS = 0, 1
QUADRANTS = ((1, 1), (-1, -1), (1, -1), (-1, 1))
"""The four steps of the Manhattan update: signs of the rows and of the columns that are driven together."""


def raised(u: float, amount: float, saturation: float, half: float) -> float:
    """Move a conductance up by a set pulse; ``amount`` is the step at mid-range, ``half`` the distance of the bound."""
    return min(u + amount * (1.0 - saturation * u / half), half)


def lowered(u: float, amount: float, saturation: float, half: float) -> float:
    """Move a conductance down by a reset pulse."""
    return max(u - amount * (1.0 + saturation * u / half), -half)


class Crossbar:
    """One array of differential pairs.

    Parameters
    ----------
    rows, columns
        Input lines and output lines.
    device
        The memristor; None for an ideal one: equal steps, hard bounds, no spread.
    w_max
        Weight of a pair at opposite ends of the conductance range.
    thresholds
        Effective set and reset thresholds (volt), shape ``[2, 2, rows, columns]``: set or reset, plus or minus.
        None: all nominal.

    Attributes
    ----------
    u
        Conductances in units of weight around mid-range, shape ``[2, rows, columns]``: plus, minus.
    writes
        Write pulses that each device has received, same shape.

    Raises
    ------
    InvalidValueError
        If a size is below 1, ``w_max`` is not positive, or the thresholds have another shape.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        device: Al2O3 | None = None,
        w_max: float = 1.7,
        thresholds: FloatArray | None = None,
    ) -> None:
        if rows < 1 or columns < 1:
            raise InvalidValueError("Crossbar.rows, columns", (rows, columns), "whole numbers >= 1")
        if not (np.isfinite(w_max) and w_max > 0):
            raise InvalidValueError("Crossbar.w_max", w_max, "a finite number > 0")
        self.rows, self.columns, self.device, self.w_max = rows, columns, device, float(w_max)
        self.u = np.zeros((2, rows, columns))
        self.writes = np.zeros((2, rows, columns), dtype=np.int64)
        self.speed = np.ones((2, 2, rows, columns))
        if thresholds is not None:
            if device is None or np.shape(thresholds) != self.speed.shape:
                allowed = f"shape {self.speed.shape} and a device"
                raise InvalidValueError("Crossbar.thresholds", np.shape(thresholds), allowed)
            self.speed = device.speed(thresholds)

    @property
    def weights(self) -> FloatArray:
        """Weights, shape ``[rows, columns]``."""
        return np.asarray(self.u[PLUS] - self.u[MINUS])

    @property
    def conductances(self) -> FloatArray:
        """Conductances of both devices of every pair, siemens, shape ``[2, rows, columns]``."""
        g_min, g_max = (0.0, 1.0) if self.device is None else (self.device.g_min, self.device.g_max)
        return np.asarray((g_min + g_max) / 2 + self.u / self.w_max * (g_max - g_min))

    def read(self, voltages: ArrayLike) -> FloatArray:
        """Differential column currents for row voltages, shape ``[columns]``; ampere for volt and a device."""
        plus, minus = self.conductances
        return np.asarray(np.asarray(voltages, dtype=float) @ (plus - minus))

    def program(self, weights: ArrayLike) -> None:
        """Write weights ex situ, symmetric about mid-range; one write per device.

        Raises
        ------
        InvalidValueError
            If the shape is not ``[rows, columns]``.
        DeviceRangeError
            If a weight is outside [-w_max, w_max].
        """
        w = np.asarray(weights, dtype=float)
        if w.shape != (self.rows, self.columns):
            raise InvalidValueError("weights of a Crossbar", w.shape, f"shape {(self.rows, self.columns)}")
        if not np.all(np.abs(w) <= self.w_max):
            worst = float(w.flat[np.argmax(np.abs(w))])
            raise DeviceRangeError("weights of a Crossbar", worst, f"-{self.w_max:g} to {self.w_max:g}")
        self.u[PLUS], self.u[MINUS] = w / 2, -w / 2
        self.writes += 1

    def add(self, change: ArrayLike) -> None:
        """Change the weights by exactly these amounts, up to the bounds (rule "Exact"), shape ``[rows, columns]``."""
        half, amount = self.w_max / 2, np.asarray(change, dtype=float) / 2
        self.u[PLUS] = np.clip(self.u[PLUS] + amount, -half, half)
        self.u[MINUS] = np.clip(self.u[MINUS] - amount, -half, half)
        self.writes += amount != 0

    def manhattan(self, row_signs: ArrayLike, column_signs: ArrayLike, step: float) -> None:
        """Pulse every pair once by the sign of row times column, in the four steps of `QUADRANTS`.

        Parameters
        ----------
        row_signs, column_signs
            -1, 0 or 1; a line with 0 stays at rest.
        step
            Weight change of a nominal pair at mid-range.
        """
        rows, columns = np.asarray(row_signs), np.asarray(column_signs)
        for row_sign, column_sign in QUADRANTS:
            for j in np.flatnonzero(rows == row_sign):
                for i in np.flatnonzero(columns == column_sign):
                    self.pulse(int(j), int(i), row_sign * column_sign * step)

    def variable_amplitude(self, change: ArrayLike) -> None:
        """Ask line by line for these changes, by voltages on a logarithmic scale (equations 10 to 12).

        A device at mid-range with nominal thresholds changes by what is asked, others by their speed and state.
        """
        wanted = np.asarray(change, dtype=float)
        for j, i in np.argwhere(wanted != 0):
            self.pulse(int(j), int(i), float(wanted[j, i]))

    def pulse(self, row: int, column: int, change: float) -> None:
        """Send one pair its opposite pulses: set one device, reset the other."""
        half, amount = self.w_max / 2, abs(change) / 2
        saturation = 0.0 if self.device is None else self.device.saturation
        up, down = (PLUS, MINUS) if change > 0 else (MINUS, PLUS)
        at = (row, column)
        self.u[up][at] = raised(self.u[up][at], amount * self.speed[SET, up][at], saturation, half)
        self.u[down][at] = lowered(self.u[down][at], amount * self.speed[RESET, down][at], saturation, half)
        self.writes[:, row, column] += 1
