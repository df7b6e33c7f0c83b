"""``python -m XrayToCTLib``: the same as ``xray-to-ct``, for Slicer's Python, where the project is never installed."""

import sys

from XrayToCTLib.cli import main

if __name__ == "__main__":
    sys.exit(main())
