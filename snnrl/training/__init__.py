"""Training, evaluation, run folders and their summaries."""
