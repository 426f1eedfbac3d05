"""The command `wfdb2dicom`, also from a clone that is not installed: python scripts/wfdb2dicom …"""

import sys
from pathlib import Path

if not __package__:
    # Run as a folder: Python put the package itself on the path, and so made each of its modules a top-level one.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from wfdb2dicom.cli.main import main

if __name__ == "__main__":
    main()
