"""Policies distilled into students that obey a TrueNorth chip.

A teacher plays and labels what it sees (`collect`, into a `buffer`), the student learns (`learner`), a run
keeps both in a folder and can go on after an interruption (`session`). After McKinstry et al., *Low Precision
Policy Distillation* (arXiv 1809.09260). torch and the games are loaded when they are used.
"""

from __future__ import annotations

from snnrl.distillation.recipe import Recipe

__all__ = ["Recipe"]
