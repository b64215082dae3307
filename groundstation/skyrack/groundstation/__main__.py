"""`python -m skyrack.groundstation --config FILE`: one ground station in this very process."""

import sys

from skyrack.groundstation.main import run
from skyrack.node.__main__ import main

if __name__ == "__main__":
    sys.exit(main("python -m skyrack.groundstation", run))
