"""WFDB records to DICOM ECG waveform objects: exact samples, valid objects, every failure accounted for.

>>> import wfdb2dicom
>>> wfdb2dicom.convert_record("94000001", "ecg.dcm").status
'converted'
>>> wfdb2dicom.read("ecg.dcm").millivolts.shape
(5000, 12)

Each name is imported when it is first used, so that ``import wfdb2dicom`` costs nothing. docs/api.md has examples.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfdb2dicom.api import Outcome as Outcome
    from wfdb2dicom.api import check as check
    from wfdb2dicom.api import convert_record as convert_record
    from wfdb2dicom.api import draw as draw
    from wfdb2dicom.api import restore as restore
    from wfdb2dicom.api import to_dataset as to_dataset
    from wfdb2dicom.conformance.attributes import Violation as Violation
    from wfdb2dicom.dicom.options import Options as Options
    from wfdb2dicom.errors import ConfigError as ConfigError
    from wfdb2dicom.errors import OutputError as OutputError
    from wfdb2dicom.errors import StudyError as StudyError
    from wfdb2dicom.errors import Wfdb2DicomError as Wfdb2DicomError
    from wfdb2dicom.page.ecg import Ecg as Ecg
    from wfdb2dicom.page.ecg import read as read

__version__ = "0.1.0"

_MODULES = {
    "convert_record": "api",
    "to_dataset": "api",
    "read": "page.ecg",
    "check": "api",
    "restore": "api",
    "draw": "api",
    "Options": "dicom.options",
    "Outcome": "api",
    "Ecg": "page.ecg",
    "Violation": "conformance.attributes",
    "Wfdb2DicomError": "errors",
    "StudyError": "errors",
    "ConfigError": "errors",
    "OutputError": "errors",
}
__all__ = [*_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
