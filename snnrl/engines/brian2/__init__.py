"""Engine ``brian2``: real Brian2 objects from the model's own text; targets numpy, cython and C++ standalone."""
