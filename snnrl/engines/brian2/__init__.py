"""Engine ``brian2``: real Brian2 objects from the model's own text; targets numpy, cython and C++ standalone."""

import snnrl.equations.brian  # noqa: F401  first: it keeps Brian2 from taking over uncaught errors
