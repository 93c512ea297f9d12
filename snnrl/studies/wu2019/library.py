"""The head of every crossbar kernel: numbers, random numbers, and the functions of ``math`` in the kernel's precision.

In float64 these are Python's own, and the kernel's results equal those of :class:`snnrl.networks.CrossbarAgent` bit for
bit. In float32 they are polynomials that LLVM can vectorise.
"""

from enum import IntEnum

from snnrl.engines.fast.library import header


class Number(IntEnum):
    """Where the numbers of a network and of a run stand in the kernel's array ``numbers``."""

    SLOPE = 0
    BIAS = 1
    CRITIC_RATE = 2
    CRITIC_HIDDEN_RATE = 3
    ACTOR_RATE = 4
    ACTOR_HIDDEN_RATE = 5
    STEP = 6
    W_MAX = 7
    SATURATION = 8
    GATE = 9
    GATE_AFTER = 10
    GAMMA = 11
    VARIABLE = 12
    LEVELS = 13


PLAIN = """

@njit(nogil=True)
def exp(x):
    return math.exp(x)


@njit(nogil=True)
def sine(x):
    return math.sin(x)


@njit(nogil=True)
def cosine(x):
    return math.cos(x)


@njit(nogil=True)
def floor(x):
    return np.floor(x)
"""

FAST = '''

@njit(nogil=True, fastmath={'contract'})
def exp(x):
    """To 2e-7 relative; arguments beyond +-80 count as +-80."""
    x = min(max(x, real(-80.0)), real(80.0))
    whole = np.floor(x * real(1.4426950408889634) + real(0.5))
    r = (x - whole * real(0.693359375)) + whole * real(2.1219444005469057e-4)
    p = real(1.3981999507e-3) + r * real(1.9875691500e-4)
    p = real(8.3334519073e-3) + r * p
    p = real(4.1665795894e-2) + r * p
    p = real(1.6666665459e-1) + r * p
    p = real(5.0000001201e-1) + r * p
    p = real(1.0) + r + r * r * p
    return p * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)


@njit(nogil=True, fastmath={'contract'})
def sine(x):
    """To 1e-8 for the angles of a pendulum that has not fallen, up to 0.4 rad."""
    s = x * x
    return x * (real(1.0) + s * (real(-1 / 6) + s * (real(1 / 120) + s * real(-1 / 5040))))


@njit(nogil=True, fastmath={'contract'})
def cosine(x):
    s = x * x
    tail = real(-1 / 720) + s * real(1 / 40320)
    return real(1.0) + s * (real(-0.5) + s * (real(1 / 24) + s * tail))


@njit(nogil=True, fastmath={'contract'})
def floor(x):
    return np.floor(x)
'''


def head(dtype: str) -> str:
    """Return the head of a kernel of this precision, ``"float32"`` or ``"float64"``."""
    places = "\n".join(f"{number.name} = {number.value}" for number in Number)
    return f"{header(dtype)}\n{places}\n{FAST if dtype == 'float32' else PLAIN}"
