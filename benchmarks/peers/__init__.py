"""One file per simulator, each with the same workload behind `peers.interface.Runner`."""
