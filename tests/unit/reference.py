"""The DICOM object as pydicom writes it, attribute by attribute as docs/conversion.md has it: the library's reference.

Written apart from `wfdb2dicom.dicom.template`, which knows nothing of pydicom, so a wrong tag, VR, order, length or
value of the one shows in the other.
"""

from collections.abc import Iterator
from io import BytesIO

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from wfdb2dicom.dicom.annotations import UNITS, Annotation
from wfdb2dicom.dicom.attributes import Channel, InstanceAttributes, SharedAttributes
from wfdb2dicom.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME


def code_item(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence (PS3.3 table 8.8-1)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def annotation_item(annotation: Annotation) -> Dataset:
    """An item of Waveform Annotation Sequence about all channels of the first multiplex group."""
    item = Dataset()
    if annotation.positions:
        item.TemporalRangeType = "SEGMENT" if len(annotation.positions) == 2 else "MULTISEGMENT"
        item.ReferencedSamplePositions = list(annotation.positions)
        item.ConceptNameCodeSequence = [code_item("10:11248", "MDC", "No ECG signal is available")]
        item.ReferencedWaveformChannels = [1, annotation.channel]
        return item
    if annotation.text:
        item.UnformattedTextValue = annotation.text
    else:
        unit = annotation.unit
        item.MeasurementUnitsCodeSequence = [code_item(unit, "UCUM", UNITS[unit])]
        item.ConceptNameCodeSequence = [code_item(annotation.code, "MDC", annotation.meaning)]
        item.NumericValue = annotation.value
    item.ReferencedWaveformChannels = [1, 0]
    return item


def _channel_definition(channel: Channel, shared: SharedAttributes) -> Dataset:
    item = Dataset()
    item.ChannelLabel = channel.label
    if channel.status:
        item.ChannelStatus = channel.status
        if shared.held:
            item.ChannelDerivationDescription = "Invalid samples hold the last valid value"
    if channel.modifier:
        names = {"2:1": "Lead I", "2:2": "Lead II", "2:61": "Lead III"}
        item.ChannelSourceModifiersSequence = [code_item(channel.modifier, "MDC", names[channel.modifier])]
    item.ChannelSourceSequence = [code_item(channel.code, "MDC", channel.meaning)]
    item.ChannelSensitivity = channel.sensitivity
    item.ChannelSensitivityUnitsSequence = [code_item("mV", "UCUM", "millivolt")]
    item.ChannelSensitivityCorrectionFactor = "1"
    item.ChannelBaseline = channel.baseline
    item.ChannelSampleSkew = channel.skew
    item.WaveformBitsStored = shared.sop_class.bits
    for keyword, value in (
        ("FilterLowFrequency", shared.filter_low),
        ("FilterHighFrequency", shared.filter_high),
        ("NotchFilterFrequency", shared.notch),
    ):
        if value:
            setattr(item, keyword, value)
    return item


def _multiplex_group(shared: SharedAttributes, data: bytes) -> Dataset:
    bits = shared.sop_class.bits
    group = Dataset()
    group.WaveformOriginality = "DERIVED" if shared.held else "ORIGINAL"
    group.NumberOfWaveformChannels = len(shared.channels)
    group.NumberOfWaveformSamples = shared.n_samples
    group.SamplingFrequency = shared.frequency
    group.MultiplexGroupLabel = "RHYTHM"
    group.ChannelDefinitionSequence = [_channel_definition(c, shared) for c in shared.channels]
    group.WaveformBitsAllocated = bits
    group.WaveformSampleInterpretation = "SS" if bits == 16 else "SL"
    if shared.padding is not None:
        group.add_new("WaveformPaddingValue", "OW", shared.padding.to_bytes(bits // 8, "little", signed=True))
    group.add_new("WaveformData", "OW", data)
    return group


def _descriptions(shared: SharedAttributes) -> Iterator[str]:
    """The steps of the conversion, as docs/conversion.md words them."""
    yield "Converted from a WFDB record"
    if shared.omitted:
        yield f"Signals that are not an ECG were left out: {', '.join(shared.omitted)}"[:1024]
    if shared.subtracted:
        yield f"Baselines were subtracted from the samples: {', '.join(map(str, shared.subtracted))}"
    if shared.held:
        yield "Invalid samples were replaced by the last valid value"


def _contribution(description: str) -> Dataset:
    """The converter's part in the object (PS3.3 C.12.1, Contributing Equipment Sequence)."""
    item = Dataset()
    item.Manufacturer = "wfdb2dicom"
    item.SoftwareVersions = IMPLEMENTATION_VERSION_NAME
    item.ContributionDescription = description
    item.PurposeOfReferenceCodeSequence = [code_item("109102", "DCM", "Processing Equipment")]  # CID 7005
    return item


def dataset(shared: SharedAttributes, instance: InstanceAttributes, data: bytes) -> FileDataset:
    """The object as pydicom sees it.

    Parameters
    ----------
    data : bytes
        Samples, little-endian, channel by channel within each sample (PS3.3 C.10.9.1.7).
    """
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(shared.sop_class.uid)
    meta.MediaStorageSOPInstanceUID = UID(instance.sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    ds = FileDataset("", {}, preamble=b"\0" * 128, file_meta=meta)
    if not shared.ascii:
        ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = shared.sop_class.uid
    ds.Modality = "ECG"
    for keyword in ("AccessionNumber", "Manufacturer", "ReferringPhysicianName", "PatientName", "PatientBirthDate"):
        setattr(ds, keyword, "")
    if shared.sop_class.bits == 32:
        ds.Manufacturer = ds.ManufacturerModelName = "wfdb2dicom"
        ds.DeviceSerialNumber = "NONE"
        ds.SoftwareVersions = IMPLEMENTATION_VERSION_NAME
    ds.PatientIdentityRemoved = "YES"
    undated = shared.stand_ins.date
    removed = "removed" if undated else "shifted"
    ds.DeidentificationMethod = f"De-identified by the publisher of the WFDB data; dates {removed}"
    if shared.stand_ins.patient:
        ds.PatientComments = "The patient is not known: Patient ID is the id of the study"
    ds.ContributingEquipmentSequence = [_contribution(description) for description in _descriptions(shared)]
    titles = {"1": "12-lead ECG", "2": "General ECG", "3": "Ambulatory ECG", "4": "General 32-bit ECG"}
    ds.StudyDescription = ds.SeriesDescription = titles[shared.sop_class.uid[-1]]
    if shared.issuer:
        ds.IssuerOfPatientID = shared.issuer
    ds.SeriesNumber, ds.InstanceNumber = "1", "1"
    ds.LongitudinalTemporalInformationModified = "REMOVED" if undated else "MODIFIED"
    ds.AcquisitionContextSequence = []
    if instance.annotations:
        ds.WaveformAnnotationSequence = [annotation_item(annotation) for annotation in instance.annotations]
    ds.WaveformSequence = [_multiplex_group(shared, data)]
    for keyword, value in instance.values().items():
        if value or keyword not in ("StationName", "PatientAge"):  # type 3: no value, no attribute
            setattr(ds, keyword, value)
    return ds


def encode_reference(shared: SharedAttributes, instance: InstanceAttributes, data: bytes) -> bytes:
    """The file as pydicom writes `dataset`."""
    stream = BytesIO()
    dcmwrite(stream, dataset(shared, instance, data), enforce_file_format=True)
    return stream.getvalue()
