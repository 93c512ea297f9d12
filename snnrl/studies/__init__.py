"""Studies: comparisons between agents, rewards and baselines, each printed by one command."""
