"""The command `wfdb2dicom`, also where it is not installed: python <clone>/scripts/wfdb2dicom ..."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

if not __package__:
    # Run as a folder: Python has put the package itself on the path, which would make each of its modules a top-level
    # one. Its parent does not belong there either: it may be the site-packages of another Python.
    folder = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != folder]
    spec = spec_from_file_location("wfdb2dicom", folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None and spec.loader is not None
    sys.modules["wfdb2dicom"] = package = module_from_spec(spec)
    spec.loader.exec_module(package)

from wfdb2dicom.cli.main import main

if __name__ == "__main__":
    main()
