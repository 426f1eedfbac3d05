"""What the screen says of an error: where MIMIC-IV-ECG names folders after patients, neither folders nor patients."""

import pytest

from wfdb2dicom.errors import OutputError, mask_patient, stop_message

FOLDER = "files/p1000/p10000032/s40689238"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            f"FileNotFoundError: No such file or directory: '/data/{FOLDER}/1.dat'",
            "FileNotFoundError: No such file or directory: '1.dat'",
        ),
        (f"OSError: Input/output error: '/data/{FOLDER}/1.dat'", "OSError: Input/output error: '1.dat'"),
        (f"OSError: No such file: \"/o'neil's data/{FOLDER}/1.dat\"", 'OSError: No such file: "1.dat"'),
        (f"OSError: No such file: '/my data/{FOLDER}/1", "OSError: No such file: '1"),  # cut short
        (f"OSError: No such file: '/my data/{FOLDER}/1.dat'", "OSError: No such file: '1.dat'"),
        (f"SignalError: /data/{FOLDER}/1.dat has 3 bytes", "SignalError: 1.dat has 3 bytes"),
        (f"SignalError: {FOLDER}/1.dat has 3 bytes", "SignalError: 1.dat has 3 bytes"),
        (f"SignalError: my data/{FOLDER}/1.dat has 3 bytes", "SignalError: 1.dat has 3 bytes"),
        (f"SignalError: /o'neil's/my data/{FOLDER}/1.dat has 3 bytes", "SignalError: 1.dat has 3 bytes"),
        (f"HeaderError: /o'neil's/{FOLDER}/1.hea gives 'x' for II", "HeaderError: 1.hea gives 'x' for II"),
        ("PathError: p10000032 leaves dcm_dir", "PathError: p… leaves dcm_dir"),
        (
            "SubjectMismatch: the header belongs to subject 10000032, the CSV says subject 10000084; check path",
            "SubjectMismatch: the header belongs to subject …, the CSV says subject …; check path",
        ),
        ("HeaderError: subject_id 'Jane Doe' is not a DICOM text", "HeaderError: subject_id … is not a DICOM text"),
        ("UnitsError: signal 'II' is in 'mmHg', not in volts", "UnitsError: signal 'II' is in 'mmHg', not in volts"),
    ],
)
def test_an_error_on_the_screen_keeps_its_words_and_the_names_of_files(error: str, shown: str) -> None:
    assert mask_patient(error) == shown


def test_what_is_known_of_the_patient_is_left_out_wherever_it_stands() -> None:
    assert mask_patient("RangeError: AB of 1 AB.dat ABC", "AB") == "RangeError: … of 1 ….dat ABC"


def test_what_stops_a_job_names_the_file_without_its_folders() -> None:
    error = OutputError(f"cannot write '/data/{FOLDER}/1.dcm': No space left on device; fix the cause and run again")
    assert stop_message(error) == "cannot write '1.dcm': No space left on device; fix the cause and run again"
