"""``python -m snnrl``: the same as the command ``snnrl``."""

import sys

from snnrl.cli import main

sys.exit(main())
