"""Teachers of Atari games: trained networks, a script, looking ahead in the emulator.

>>> from snnrl.distillation.teachers import load_teacher
>>> load_teacher("script:freeway", "freeway").outputs
'actions'

torch is loaded when a network is.
"""

from snnrl.distillation.teachers.base import LaneTeacher, Teacher, answers
from snnrl.distillation.teachers.load import NAMES, load_teacher, teacher_from_module
from snnrl.distillation.teachers.look_ahead import LookAhead
from snnrl.distillation.teachers.scripted import SCRIPTS, Script

__all__ = [
    "NAMES",
    "SCRIPTS",
    "LaneTeacher",
    "LookAhead",
    "Script",
    "Teacher",
    "answers",
    "load_teacher",
    "teacher_from_module",
]
