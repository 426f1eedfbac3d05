"""Converting one study: read the record, check it, encode it, write the file or find that it is up to date."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.dicom import leads
from wfdb2dicom.dicom.mapping import ObjectDescription, describe_object, is_other, require_class
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.dicom.stored_samples import store, stores_source
from wfdb2dicom.dicom.template import template
from wfdb2dicom.errors import LeadError, StudyError, SubjectMismatch, UnitsError
from wfdb2dicom.records.header import Header, Samples, parse
from wfdb2dicom.records.plain_reader import plain_size, read_plain_samples
from wfdb2dicom.records.readahead import ReadAhead
from wfdb2dicom.records.samples import checksums, find_flat, find_invalid, verify_samples
from wfdb2dicom.records.source_file import Source, header_text, read_header_text
from wfdb2dicom.system.output_tree import OutputTree
from wfdb2dicom.system.paths import is_zip

if TYPE_CHECKING:
    from wfdb2dicom.records.zip_source import ZipFiles


class Converted(NamedTuple):
    """The DICOM file of a record that was converted.

    Attributes
    ----------
    status : str
        ``converted``, or ``current`` if the file already had the right content.
    size : int
        Bytes of the DICOM file.
    mtime_ns : int
        Its modification time in nanoseconds.
    sha256 : str
        Its digest in hexadecimal.
    facts : str
        Compact JSON for the manifest.
    """

    status: str
    size: int
    mtime_ns: int
    sha256: str
    facts: str


class PreparedRecord(NamedTuple):
    """A record whose header has been read and checked.

    Attributes
    ----------
    path : str
        The record, without extension.
    acquisition : Acquisition
        What is known about the recording from other sources.
    header, study
        None for a record that is not plain; its header is checked when its samples are read.
    members : str
        The offsets of its files in a ZIP, see `wfdb2dicom.records.zip_source`; "" for a folder.
    """

    path: str
    acquisition: Acquisition
    header: Header | None = None
    study: ObjectDescription | None = None
    members: str = ""


class Encoded(NamedTuple):
    """A DICOM file as bytes.

    Attributes
    ----------
    content : bytes
        The whole file.
    head_size : int
        Number of its bytes that precede the samples.
    facts : str
        Compact JSON for the manifest.
    sop_instance_uid : str
    """

    content: bytes
    head_size: int
    facts: str
    sop_instance_uid: str


class Converter:
    """Converts records below one root into DICOM files below another.

    Each study takes three steps: `expect` (optional), `prepare`, `convert`. Taking several studies through each step
    together is faster: their files are fetched in the meantime, and the processor's caches keep what a step needs
    (50 µs per study).

    Parameters
    ----------
    wfdb_dir : str
        The root of the records, a folder or a ZIP; "" to allow any path.
    target : OutputTree
        The root of the DICOM files.
    options : Options
    overwrite : bool
        Also write files that are up to date.
    """

    def __init__(self, wfdb_dir: str, target: OutputTree, options: Options, *, overwrite: bool = False) -> None:
        self._wfdb_dir = wfdb_dir
        self._root = os.path.realpath(wfdb_dir) if wfdb_dir else ""
        self._target = target
        self._options = options
        self._overwrite = overwrite
        self._ahead = ReadAhead()
        self._zip = _open_zip(wfdb_dir)
        self.zip_stamp = self._zip.stamp if self._zip else ""

    def expect(self, record: str, dicom: str, members: str = "") -> None:
        """Start fetching the files of a study that will be converted a few studies later."""
        if self._zip:
            self._zip.expect(members)
            return
        path = os.path.join(self._wfdb_dir, record)
        self._ahead.request(path + ".hea")
        if self._overwrite or not self._target.exists(dicom):  # a study that has its DICOM may need only its header
            self._ahead.request(path + ".dat")

    def prepare(self, record: str, acquisition: Acquisition, members: str = "") -> PreparedRecord:
        """Read and check the header of a record.

        Parameters
        ----------
        record : str
            Its path below `wfdb_dir`, without extension.
        acquisition : Acquisition
            What is known about the recording from other sources.
        members : str
            The offsets of its files in a ZIP, see `wfdb2dicom.records.zip_source`; "" for a folder.

        Raises
        ------
        StudyError
            When the record cannot be converted.
        OSError
            When its header cannot be read.
        """
        path = os.path.join(self._wfdb_dir, record)
        try:
            with self._open(path, path + ".hea", members) as source:
                text = header_text(source)
            header = parse(text, path + ".hea")
            if header.name != path.rpartition("/")[2]:
                raise SubjectMismatch(
                    f"{path}.hea is the header of record {header.name!r}: it may be another patient's; give file and"
                    " record one name"
                )
            if not (header.is_plain and header.has_checksums):
                return PreparedRecord(path, acquisition, members=members)
            try:
                study = describe_object(header, acquisition, self._options)
                return PreparedRecord(path, acquisition, header, study, members)
            except (LeadError, UnitsError):
                if self._options.other_signals != "omit":
                    raise
                return PreparedRecord(path, acquisition, members=members)
        except BaseException:
            self._ahead.drop(path + ".dat")
            raise

    def convert(self, prepared: PreparedRecord, dicom: str) -> Converted:
        """Convert a record to the file `dicom` below the target's root.

        Raises
        ------
        StudyError
            When the record cannot be converted.
        OSError
            When its files cannot be read.
        OutputError
            When the DICOM file cannot be written.
        """
        absent = prepared.path + ".dat" in self._ahead  # `expect` looked for it
        dicom_there = not (self._overwrite or absent) and self._target.exists(dicom)
        try:
            encoded = self._encode(prepared, dicom if dicom_there else "")
        finally:
            self._ahead.drop(prepared.path + ".dat")
        if isinstance(encoded, Converted):
            self._target.tidy(dicom)
            return encoded
        digest = sha256(encoded.content).hexdigest()
        if dicom_there and (found := self._target.read(dicom, len(encoded.content))):
            content, mtime_ns = found
            if content == encoded.content:
                self._target.tidy(dicom)
                return Converted("current", len(content), mtime_ns, digest, encoded.facts)
        written = self._target.write(dicom, encoded.content)
        return Converted("converted", written.size, written.mtime_ns, digest, encoded.facts)

    def encode(self, prepared: PreparedRecord) -> Encoded:
        """Encode a record whatever the target contains.

        Raises
        ------
        StudyError, OSError
            As `convert`.
        """
        encoded = self._encode(prepared, "")
        assert not isinstance(encoded, Converted)
        return encoded

    def check(self, record: str, dicom: str, acquisition: Acquisition, members: str = "") -> str:
        """Compare a DICOM file with its source: a description of the first difference, "" if there is none.

        Raises
        ------
        StudyError, OSError
            When the source can no longer be read.
        """
        if not self._target.exists(dicom):
            return "the file is missing"
        encoded = self.encode(self.prepare(record, acquisition, members))
        found = self._target.read(dicom, len(encoded.content))
        if found is None:
            return f"the file does not have the {len(encoded.content)} bytes that its source gives"
        head = found[0][: encoded.head_size]
        if encoded.sop_instance_uid.encode() not in head:
            return f"the SOP Instance UID is not {encoded.sop_instance_uid}, the one that source and options give"
        if head != encoded.content[: encoded.head_size]:
            return "attributes differ from those that source and options give"
        return "" if found[0] == encoded.content else "samples differ from the source's"

    def _encode(self, prepared: PreparedRecord, present: str) -> Encoded | Converted:
        """Encode a study, unless the file `present` is up to date."""
        path, _, header, study, members = prepared
        if header is None or study is None:
            return self._encode_any(prepared)
        signals = os.path.join(os.path.dirname(path), header.signal_file)
        with self._open(path, signals, members) as source:
            size = plain_size(header)
            if present and source.size == size and (current := self._current(present, header, study, source.mtime_ns)):
                return current
            samples = read_plain_samples(source, header) if source.size <= size else None
        if samples is None:  # a file with more than the samples is looked at closely
            return self._encode_any(prepared)
        sums = verify_samples(header.signals, samples, source.path)
        return _encode_samples(header, study, samples, sums, self._options)

    def _encode_any(self, prepared: PreparedRecord) -> Encoded:
        from wfdb2dicom.records.wfdb_reader import read_with_wfdb  # few data sets need it

        acquisition = prepared.acquisition
        omit = is_other if self._options.other_signals == "omit" else None
        with self._as_files(prepared) as (path, root):
            text = read_header_text(path + ".hea", root)  # as it is now: wfdb reads it now
            record = read_with_wfdb(path, root, text, omit, partial(require_class, options=self._options))
        digest = b"" if record.header.has_checksums else blake2b(record.samples.tobytes()).digest()
        bits = 8 * record.samples.itemsize
        study = describe_object(record.header, acquisition, self._options, digest, bits)
        return _encode_samples(record.header, study, record.samples, checksums(record.samples), self._options)

    def _open(self, record: str, path: str, members: str) -> Source:
        """Open a file of a record in the folder or the ZIP."""
        if self._zip:
            return self._zip.open(record, path, members)
        return Source(path, self._root, self._ahead.take(path))

    @contextmanager
    def _as_files(self, prepared: PreparedRecord) -> Iterator[tuple[str, str]]:
        """The path of a record whose files wfdb can open, and the root that must contain them."""
        if self._zip:
            with self._zip.unpacked(prepared.path, prepared.members) as place:
                yield place
        else:
            yield prepared.path, self._root

    def _current(self, dicom: str, header: Header, study: ObjectDescription, source_mtime_ns: int) -> Converted | None:
        """The file on disk if it has the right content and is not older than its source, else None.

        Its samples must match the checksums of the header, and encoding them again must give the same bytes.
        """
        if not stores_source(study, self._options):
            return None
        form = template(study.shared)
        smallest = len(form.head(study.instance)) + form.data_size
        found = self._target.read(dicom, smallest, smallest + _INVALID_ATTRIBUTES)
        if found is None:
            return None
        content, mtime_ns = found
        samples = _source_order(study, np.frombuffer(content, _dtype(study), offset=len(content) - form.data_size))
        try:
            sums = verify_samples(header.signals, samples, dicom)
        except StudyError:
            return None
        encoded = _encode_samples(header, study, samples, sums, self._options)
        if mtime_ns < source_mtime_ns or content != encoded.content:
            return None
        return Converted("current", len(content), mtime_ns, sha256(content).hexdigest(), encoded.facts)


def _open_zip(wfdb_dir: str) -> ZipFiles | None:
    """The open ZIP, or None if `wfdb_dir` is a folder."""
    if not is_zip(wfdb_dir):
        return None
    from wfdb2dicom.records.zip_source import ZipFiles  # imports that a batch job from a folder does not need

    return ZipFiles(wfdb_dir)


# The most bytes that Channel Status and Waveform Padding Value add to an object with invalid samples.
_INVALID_ATTRIBUTES = 1024


def _encode_samples(
    header: Header, study: ObjectDescription, samples: Samples, sums: Sequence[int], options: Options
) -> Encoded:
    counts, marker = find_invalid(header.signals, samples)
    channels = samples if study.order is None else samples[:, study.order]
    if channels.dtype != (dtype := _dtype(study)):
        channels = channels.astype(dtype)
    study, channels = store(study, channels, marker, options)
    flat = find_flat(samples, sums)
    # As the object has them, in which users look them up.
    names = leads.labels([signal.description for signal in header.signals]) if counts or flat else []
    found = {
        "invalid_samples": {names[n]: count for n, count in counts.items()},
        "flat_leads": [names[n] for n in flat],
        "omitted_signals": list(header.omitted),
    }
    head = template(study.shared).head(study.instance)
    content = b"".join((head, np.ascontiguousarray(channels).data))
    return Encoded(content, len(head), _facts(header, study, found), study.instance.sop_instance_uid)


def _dtype(study: ObjectDescription) -> str:
    """The data type of the samples in the DICOM file."""
    return f"<i{study.shared.sop_class.bits // 8}"


def _source_order(study: ObjectDescription, channels: npt.NDArray[Any]) -> Samples:
    """Samples of a DICOM file in the order of the WFDB header."""
    channels = channels.reshape(study.shared.n_samples, len(study.shared.channels))
    return channels if study.order is None else np.ascontiguousarray(channels[:, np.argsort(study.order)])


def _facts(header: Header, study: ObjectDescription, found: dict[str, Any]) -> str:
    """The facts for the manifest; `found` are those about the samples."""
    instance, shared = study.instance, study.shared
    facts = {
        "subject_id": "" if shared.stand_ins.patient else instance.patient_id,
        "study_uid": instance.study_instance_uid,
        "series_uid": instance.series_instance_uid,
        "sop_instance_uid": instance.sop_instance_uid,
        "sop_class_uid": shared.sop_class.uid,
        "acquired": "" if shared.stand_ins.date else instance.moment.isoformat(" "),
        "time_source": study.time.source,
        "unused_times": [*study.time.unused],
        "sampling_frequency": header.sampling_frequency,
        "n_samples": shared.n_samples,
        "n_channels": len(shared.channels),
        **found,
        "subtracted_baselines": list(shared.subtracted),
        "held": shared.held or "",
        "checksums": "" if header.has_checksums else "placeholder" if header.checksum_placeholders else "missing",
        "warnings": [*header.warnings, *study.time.warnings],
        "filter_low": shared.filter_low,
        "filter_high": shared.filter_high,
        "notch": shared.notch,
        "cart_id": instance.station,
    }
    return _to_json({key: value for key, value in facts.items() if value not in ("", [], {})})


_to_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
