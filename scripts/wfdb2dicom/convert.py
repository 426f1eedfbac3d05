"""One study: read the record, check it, encode it, write it, check what is on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.dicom.mapping import ObjectDescription, describe_object, is_other, with_padding
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.dicom.template import template
from wfdb2dicom.errors import LeadError, StudyError, UnitsError
from wfdb2dicom.records.header import INVALID_16, Header, Samples, parse_plain
from wfdb2dicom.records.plain_reader import plain_size, read_plain_samples
from wfdb2dicom.records.readahead import ReadAhead
from wfdb2dicom.records.samples import checksums, find_flat, find_invalid, verify_samples
from wfdb2dicom.records.source_file import Source, read_header_text
from wfdb2dicom.records.stamps import further_sources
from wfdb2dicom.system.output_tree import OutputTree


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a study.

    Attributes
    ----------
    status : str
        ``converted`` or ``current``: the file was there already and is what it should be.
    size, mtime_ns, sha256
        Of the DICOM file.
    facts : str
        Compact JSON for the manifest.
    """

    status: str
    size: int
    mtime_ns: int
    sha256: str
    facts: str


def convert_record(
    record: Path | str, dicom: Path | str, acquisition: Acquisition, options: Options | None = None
) -> Outcome:
    """Convert one WFDB record to one DICOM file.

    Parameters
    ----------
    record : path
        The record, without extension.
    dicom : path
        The file to write; missing folders are made. A file that is up to date stays as it is.
    acquisition : Acquisition
        What is known besides the record; `subject_id` and `ecg_time` are needed when the header lacks them.
    options : Options, optional

    Returns
    -------
    Outcome

    Raises
    ------
    StudyError
        What keeps this record from being converted.
    OSError
        When its files cannot be read.
    OutputError
        When the DICOM cannot be written.
    """
    folder, name = os.path.split(os.path.abspath(dicom))
    with closing(OutputTree(folder)) as target:
        converter = Converter("", target, options or Options())
        return converter.convert(converter.describe(os.fspath(record), acquisition), name)


class Described(NamedTuple):
    """A study as far as its header tells; without `header` and `study` the record is one for wfdb.

    Attributes
    ----------
    path : str
        The record, without extension.
    """

    path: str
    acquisition: Acquisition
    header: Header | None = None
    study: ObjectDescription | None = None


class Converter:
    """Converts records below one root into DICOM files below another.

    Each study takes three steps: `expect` (which may be left out), `describe`, `convert`. Some studies are best taken
    through a step together: their files are fetched meanwhile, and the processor's caches keep what a step needs (50 µs
    a study).

    Parameters
    ----------
    wfdb_dir : str
        The root of the records, "" to take any path.
    target : OutputTree
        The root of the DICOM files.
    options : Options
    overwrite : bool
        Write also what is up to date.

    Attributes
    ----------
    further_sources : str
        Of the study converted last, whether that failed or not, see `wfdb2dicom.records.stamps.further_sources`:
        as the files
        were before they were read.
    """

    def __init__(self, wfdb_dir: str, target: OutputTree, options: Options, *, overwrite: bool = False) -> None:
        self._wfdb_dir = wfdb_dir
        self._root = os.path.realpath(wfdb_dir) if wfdb_dir else ""
        self._target = target
        self._options = options
        self._overwrite = overwrite
        self._ahead = ReadAhead()
        self.further_sources = ""

    def expect(self, record: str, dicom: str) -> None:
        """Have the files fetched that converting this study is going to read; it is converted some studies later."""
        path = os.path.join(self._wfdb_dir, record)
        self._ahead.want(path + ".hea")
        if self._overwrite or not self._target.exists(dicom):  # of a study that has its DICOM the header may do
            self._ahead.want(path + ".dat")

    def describe(self, record: str, acquisition: Acquisition) -> Described:
        """Read and check the header of a record (path below `wfdb_dir`, no extension).

        Raises
        ------
        StudyError, OSError
            As `convert_record`.
        """
        path = os.path.join(self._wfdb_dir, record)
        try:
            text = read_header_text(path + ".hea", self._root, self._ahead.take(path + ".hea"))
            header = parse_plain(text)
            if header is None or header.n_samples is None:
                return Described(path, acquisition)
            try:
                return Described(path, acquisition, header, describe_object(header, acquisition, self._options))
            except (LeadError, UnitsError):
                if self._options.other_signals != "omit":
                    raise
                return Described(path, acquisition)
        except BaseException:
            self._ahead.drop(path + ".dat")
            raise

    def convert(self, described: Described, dicom: str) -> Outcome:
        """Convert a record to the file `dicom` below the target's root.

        Raises
        ------
        StudyError, OSError, OutputError
            As `convert_record`.
        """
        absent = described.path + ".dat" in self._ahead  # it was looked for then
        dicom_there = not (self._overwrite or absent) and self._target.exists(dicom)
        try:
            encoded = self._encode(described, dicom if dicom_there else "")
        finally:
            self._ahead.drop(described.path + ".dat")
        if isinstance(encoded, Outcome):
            self._target.tidy(dicom)
            return encoded
        digest = sha256(encoded.content).hexdigest()
        if dicom_there and (found := self._target.read(dicom, len(encoded.content))):
            content, mtime_ns = found
            if content == encoded.content:
                self._target.tidy(dicom)
                return Outcome("current", len(content), mtime_ns, digest, encoded.facts)
        written = self._target.write(dicom, encoded.content)
        return Outcome("converted", written.size, written.mtime_ns, digest, encoded.facts)

    def check(self, record: str, dicom: str, acquisition: Acquisition) -> str:
        """What of a DICOM file does not follow from its source, "" when everything does.

        Raises
        ------
        StudyError, OSError
            When the source cannot be read any more.
        """
        if not self._target.exists(dicom):
            return "the file is missing"
        encoded = self._encode(self.describe(record, acquisition), "")
        assert not isinstance(encoded, Outcome)
        found = self._target.read(dicom, len(encoded.content))
        if found is None:
            return f"the file does not have the {len(encoded.content)} bytes that its source gives"
        head = found[0][: encoded.head_size]
        if encoded.sop_instance_uid.encode() not in head:
            return f"the SOP Instance UID is not {encoded.sop_instance_uid}, the one that source and options give"
        if head != encoded.content[: encoded.head_size]:
            return "attributes differ from those that source and options give"
        return "" if found[0] == encoded.content else "samples differ from the source's"

    def _encode(self, described: Described, present: str) -> _Encoded | Outcome:
        """The bytes that a study should have, or its outcome if the file `present` is found to be up to date."""
        self.further_sources = ""
        path, _, header, study = described
        if header is None or study is None:
            return self._encode_any(described)
        if header.signal_file != os.path.basename(path) + ".dat":
            self.further_sources = further_sources(path, [header.signal_file])
        signals = os.path.join(os.path.dirname(path), header.signal_file)
        with Source(signals, self._root, self._ahead.take(signals)) as source:
            whole = source.size == plain_size(header)
            if present and whole and (outcome := self._current(present, header, study, source.mtime_ns)):
                return outcome
            samples = read_plain_samples(source, header)
        sums = verify_samples(header.signals, samples, source.path)
        return _encode_samples(header, study, samples, sums)

    def _encode_any(self, described: Described) -> _Encoded:
        from wfdb2dicom.records.wfdb_reader import read_with_wfdb  # a second of imports that few data sets need

        path, acquisition, _, _ = described
        self.further_sources = further_sources(path)
        text = read_header_text(path + ".hea", self._root)  # as it is now, for wfdb reads it now
        omit = is_other if self._options.other_signals == "omit" else None
        record = read_with_wfdb(path, self._root, text, omit)
        digest = b"" if record.header.has_checksums else blake2b(record.samples.tobytes()).digest()
        bits = 8 * record.samples.itemsize
        study = describe_object(record.header, acquisition, self._options, digest, bits)
        return _encode_samples(record.header, study, record.samples, checksums(record.samples))

    def _current(self, dicom: str, header: Header, study: ObjectDescription, source_mtime_ns: int) -> Outcome | None:
        """The outcome when the file on disk is what it should be and not older than its source.

        Its samples must satisfy the header's checksums, and encoding them again must give its very bytes.
        """
        for padding in (None, INVALID_16):
            shared = with_padding(study, padding).shared
            head_size = len(template(shared).head(study.instance))
            found = self._target.read(dicom, head_size + template(shared).data_size)
            if found is None:
                continue
            content, mtime_ns = found
            samples = _source_order(study, np.frombuffer(content, _dtype(study), offset=head_size))
            try:
                sums = verify_samples(header.signals, samples, dicom)
            except StudyError:
                return None
            encoded = _encode_samples(header, study, samples, sums)
            if mtime_ns >= source_mtime_ns and content == encoded.content:
                return Outcome("current", len(content), mtime_ns, sha256(content).hexdigest(), encoded.facts)
        return None


class _Encoded(NamedTuple):
    """A whole DICOM file, how many of its bytes precede the samples, and what the manifest says of it."""

    content: bytes
    head_size: int
    facts: str
    sop_instance_uid: str


def _encode_samples(header: Header, study: ObjectDescription, samples: Samples, sums: Sequence[int]) -> _Encoded:
    study, facts = _examine(header, study, samples, sums)
    channels = samples if study.order is None else samples[:, study.order]
    head = template(study.shared).head(study.instance)
    content = b"".join((head, np.ascontiguousarray(channels, _dtype(study)).data))
    return _Encoded(content, len(head), facts, study.instance.sop_instance_uid)


def _dtype(study: ObjectDescription) -> str:
    """Of the samples in the DICOM file."""
    return f"<i{study.shared.sop_class.bits // 8}"


def _source_order(study: ObjectDescription, channels: npt.NDArray[Any]) -> Samples:
    """Samples of a DICOM file in the order of the WFDB header."""
    channels = channels.reshape(study.shared.n_samples, len(study.shared.channels))
    return channels if study.order is None else np.ascontiguousarray(channels[:, np.argsort(study.order)])


def _examine(
    header: Header, study: ObjectDescription, samples: Samples, sums: Sequence[int]
) -> tuple[ObjectDescription, str]:
    """Invalid samples and flat leads: the study with its padding value, and the facts for the manifest."""
    names = [signal.description for signal in header.signals]
    flat = [names[n] for n in find_flat(samples, sums)]
    counts, marker = find_invalid(header.signals, samples)
    invalid = {names[n]: count for n, count in counts.items()}
    study = with_padding(study, marker)
    instance, shared = study.instance, study.shared
    facts = {
        "subject_id": instance.patient_id,
        "study_uid": instance.study_instance_uid,
        "series_uid": instance.series_instance_uid,
        "sop_instance_uid": instance.sop_instance_uid,
        "sop_class_uid": shared.sop_class.uid,
        "acquired": instance.moment.isoformat(" "),
        "time_source": study.time_source,
        "sampling_frequency": header.sampling_frequency,
        "n_samples": shared.n_samples,
        "n_channels": len(shared.channels),
        "invalid_samples": invalid,
        "flat_leads": flat,
        "omitted_signals": list(header.omitted),
        "filter_low": shared.filter_low,
        "filter_high": shared.filter_high,
        "notch": shared.notch,
        "cart_id": instance.station,
    }
    known = {key: value for key, value in facts.items() if value not in ("", [], {})}
    return study, _to_json(known)


_to_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
