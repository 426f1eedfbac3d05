#!/usr/bin/env python3
"""The usual way to do it, to measure against: wfdb reads, pydicom writes and reads back, two processes share the work.

    baseline.py TREE OUT --studies 1000 [--workers 2]

It keeps the raw counts and fills the attributes an ECG object needs, and leaves out what wfdb2dicom adds: checksums,
checks against the CSV, atomic writing, resuming. Prints the seconds it took.
"""

from __future__ import annotations

import argparse
import csv
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pydicom
import wfdb
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage, generate_uid


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """One item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def convert(record: str, out: str, subject: str, study: str) -> None:
    """One record, as most scripts for this do it."""
    source = wfdb.rdrecord(record, physical=False)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = TwelveLeadECGWaveformStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(out, {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.PatientID, ds.StudyID, ds.Modality = subject, study, "ECG"
    ds.PatientName = ds.PatientBirthDate = ds.PatientSex = ds.AccessionNumber = ds.Manufacturer = ""
    ds.StudyDate = ds.ContentDate = source.base_date.strftime("%Y%m%d")
    ds.StudyTime = ds.ContentTime = source.base_time.strftime("%H%M%S")
    ds.AcquisitionDateTime = ds.StudyDate + ds.StudyTime
    ds.SeriesNumber = ds.InstanceNumber = "1"
    ds.AcquisitionContextSequence = []
    group = Dataset()
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = source.n_sig, source.sig_len
    group.SamplingFrequency = str(source.fs)
    channels = []
    for n in range(source.n_sig):
        channel = Dataset()
        channel.ChannelLabel = source.sig_name[n]
        channel.ChannelSourceSequence = [code(f"2:{n + 1}", "MDC", f"Lead {source.sig_name[n]}")]
        channel.ChannelSensitivity = str(1 / source.adc_gain[n])
        channel.ChannelSensitivityUnitsSequence = [code("mV", "UCUM", "millivolt")]
        channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline = "1", str(-source.baseline[n])
        channel.ChannelSampleSkew, channel.WaveformBitsStored = "0", 16
        channels.append(channel)
    group.ChannelDefinitionSequence = channels
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformData = source.d_signal.astype("<i2").tobytes()
    group["WaveformData"].VR = "OW"
    ds.WaveformSequence = [group]
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(out, enforce_file_format=True)
    found = pydicom.dcmread(out).WaveformSequence[0]
    size = found.NumberOfWaveformChannels * found.NumberOfWaveformSamples * 2
    assert found.WaveformSampleInterpretation == "SS" and len(found.WaveformData) == size


def main() -> None:
    """Parse the command line and convert."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--studies", type=int, required=True)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    with open(args.tree / "record_list.csv", newline="") as stream:
        rows = [row for row, _ in zip(csv.DictReader(stream), range(args.studies), strict=False)]
    start = time.monotonic()
    with ProcessPoolExecutor(args.workers) as pool:
        jobs = [
            pool.submit(
                convert, str(args.tree / r["path"]), f"{args.out / r['path']}.dcm", r["subject_id"], r["study_id"]
            )
            for r in rows
        ]
        for job in jobs:
            job.result()
    print(time.monotonic() - start)


if __name__ == "__main__":
    main()
