"""`python -m edgesim.cli` is the command `edgesim`."""

import sys

from edgesim.cli import main

sys.exit(main())
