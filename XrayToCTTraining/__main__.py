"""``python -m XrayToCTTraining``."""

import sys

from XrayToCTTraining.cli import main

if __name__ == "__main__":
    sys.exit(main())
