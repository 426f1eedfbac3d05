"""README.md of a published data set: its data card, from the counts, the options of the run and what is given.

Every sentence follows from a count, an option or a text of the user's; what is not known is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from wfdb2dicom.inputs.find_tables import TABLES
from wfdb2dicom.publish.figures import Figures
from wfdb2dicom.publish.source import LICENSE, Source
from wfdb2dicom.publish.tables import MANIFEST, RECORDS, SUMS
from wfdb2dicom.results.remedies import remedy
from wfdb2dicom.results.summary import size_words, table_name
from wfdb2dicom.words import counted

README = "README.md"
# Options that change neither the objects nor which studies there are, or that name folders of this machine.
_NOT_LISTED = (
    *TABLES,
    "wfdb_dir",
    "dcm_dir",
    "output_csv",
    "error_log",
    "dcm_path_col",
    "error_col",
    "timeout",
    "studies_per_job",
    "max_studies_per_job",
    "threads_per_job",
    "retry_failed",
    "overwrite",
    "watch_sources",
    "max_failed",
    "validate_sample",
    "archive",
    "publish",
)
_READ = """```python
import pandas as pd
import pydicom

manifest = pd.read_parquet("manifest.parquet")
path = manifest.dcm_path.dropna().iloc[0]
ecg = pydicom.dcmread(path)
millivolts = ecg.waveform_array(0)  # shape (samples, leads)
leads = [channel.ChannelLabel for channel in ecg.WaveformSequence[0].ChannelDefinitionSequence]
```"""
_READ_INVALID = (
    "`waveform_array` gives numbers for samples without a value too: column `invalid_samples` of the manifest says "
    "which objects have some, and `wfdb2dicom.read(path).millivolts` is NaN there."
)


def data_card(source: Source, figures: Figures, summary: Mapping[str, Any], *, extra: Iterable[str]) -> str:
    """The text of README.md.

    Parameters
    ----------
    source : Source
    figures : Figures
    summary : mapping
        See `wfdb2dicom.results.summary`; its options are those of the run, its times are not used.
    extra : iterable of str
        Names of the other files beside the objects.
    """
    options = summary.get("options", {})
    sections = (
        _head(source, figures, summary),
        ("## Source", *_source(source, options)),
        ("## Licence and citation", *_licence(source)),
        ("## Contents", *_contents(source, figures, extra)),
        ("## What was done to the recordings", *_treatment(figures, options)),
        ("## Studies that could not be converted", *_failures(figures)),
        ("## Reading", _READ, *([_READ_INVALID] if figures.with_invalid else [])),
        ("## How it was made", *_making(summary, options)),
    )
    return "\n\n".join(part for section in sections for part in section) + "\n"


def _head(source: Source, figures: Figures, summary: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {source.title}"
    release = source.get("release")
    facts = [f"Version {release}"] if release else []
    facts += [f"published {source.get('date')}"] if source.get("date") else []
    facts += [f"by {', '.join(source.texts('authors'))}"] if source.texts("authors") else []
    if facts:
        line = ", ".join(facts)
        yield line[0].upper() + line[1:] + "."
    yield figures.sentence(f"{source.full_name} by wfdb2dicom {summary['versions']['wfdb2dicom']}")


def _source(source: Source, options: Mapping[str, Any]) -> Iterator[str]:
    doi = source.get("doi")
    zip_file = f"`{source.zip_name}`, SHA-256 `{source.zip_sha256}`" if source.zip_sha256 else ""
    yield _table(
        ("", ""),
        [
            ("Collection", source.get("name")),
            ("Version", source.get("version")),
            ("Page", f"<{source.get('url')}>" if source.get("url") else ""),
            ("DOI", f"<https://doi.org/{doi}>" if doi else ""),
            ("Converted from the ZIP", zip_file),
            (f"Its `{SUMS}`", f"SHA-256 `{source.sums_sha256}`" if source.sums_sha256 else ""),
            (
                "Studies of",
                f"`{os.path.basename(table_name(options['input_csv']))}`" if options.get("input_csv") else "",
            ),
        ],
    )
    if source.get("description"):
        yield source.get("description")
    if source.texts("notes"):
        yield "\n".join(f"- {note}" for note in source.texts("notes"))


def _licence(source: Source) -> Iterator[str]:
    address = f" (<{source.get('license_url')}>)" if source.get("license_url") else ""
    yield f"The licence of the source is {source.get('license')}{address}; see `{LICENSE}`."
    if source.get("attribution"):
        yield source.get("attribution")
    if source.texts("citation"):
        yield "Cite the source:"
        yield "\n".join(f"- {work}" for work in source.texts("citation"))


def _contents(source: Source, figures: Figures, extra: Iterable[str]) -> Iterator[str]:
    files = {
        MANIFEST: "one row per study, with path, digest, UIDs, time, rate, length and flags of its object",
        RECORDS: "the path of each object, one per line",
        SUMS: "SHA-256 digests: `sha256sum --quiet -c SHA256SUMS.txt`",
        LICENSE: "the text of the licence" if source.license_text else "name and address of the licence",
        "croissant.json": "the same description for programs (Croissant 1.0), column by column",
    }
    yield _table(
        ("file", "content"),
        [("`*.dcm`", "one object for each converted study"), *((f"`{n}`", files[n]) for n in extra)],
    )
    yield _table(
        ("", "", ""),
        [
            ("Studies", f"{figures.studies:,}", ""),
            ("Objects", f"{figures.objects:,}", size_words(figures.bytes)),
            ("Patients", f"{figures.patients:,}" if figures.patients else "", ""),
            ("First and last recording", figures.earliest, figures.latest),
        ],
    )
    yield _table(("class", "objects"), [(name, f"{number:,}") for name, number in figures.classes])
    yield _table(
        ("sampling rate", "length", "leads", "objects"),
        [(*map(str.strip, shape.split("|")), f"{number:,}") for shape, number in figures.shapes],
    )


def _treatment(figures: Figures, options: Mapping[str, Any]) -> Iterator[str]:
    yield "\n".join(f"- **{name}.** {words}" for name, words in _steps(figures, options) if words)


def _steps(figures: Figures, options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    changed = options.get("baseline") == "zero" or options.get("invalid_samples") == "hold"
    yield (
        "Samples",
        "Nothing was resampled, filtered or scaled: the objects hold the integers of the source"
        + (", except for what is said below." if changed else "."),
    )
    order = {
        "source": "As in each WFDB header.",
        "standard": "I, II, III, aVR, aVL, aVF, V1 to V6, others after them.",
    }
    yield "Lead order", order.get(options.get("lead_order", ""), "")
    yield "Baselines", _baselines(figures, options)
    yield "Invalid samples", _invalid(figures, options)
    yield "Dates", _dates(figures, options)
    yield "Patients", _patients(options)
    if figures.with_omitted:
        objects = counted(figures.with_omitted, "object")
        yield "Other signals", f"Signals that are not an ECG were left out of {objects}."
    if options.get("annotations"):
        yield "Annotations", "Intervals, axes and report lines of the metadata are waveform annotations."


def _baselines(figures: Figures, options: Mapping[str, Any]) -> str:
    if options.get("baseline") == "zero":
        return (
            "The WFDB baseline was subtracted from the samples where all of them still fit, which changes no millivolt "
            f"({counted(figures.rebased, 'object')}); elsewhere Channel Baseline states it."
        )
    return "Channel Baseline states that of the source."


def _invalid(figures: Figures, options: Mapping[str, Any]) -> str:
    if not figures.with_invalid:
        return "No object has any."
    count = f"{figures.invalid_samples:,} samples in {counted(figures.with_invalid, 'object')} have no value. "
    if options.get("invalid_samples") == "hold":
        return count + (
            "Each has the last valid value before it, or the first one of its lead where none comes before, or 0 mV "
            "where its lead has none; an annotation marks the interval."
        )
    return count + "They have the value that Waveform Padding Value names."


def _dates(figures: Figures, options: Mapping[str, Any]) -> str:
    words = {
        "header": "from the WFDB header",
        "ecg_time": "from the study CSV or the metadata",
    }
    known = [f"{words[name]} in {counted(number, 'object')}" for name, number in figures.time_sources if name in words]
    text = ""
    if known:
        text = (
            f"Date and time of the recording are {'; '.join(known)}. The converter shifted none. The objects say that "
            "the publisher did: Longitudinal Temporal Information Modified is MODIFIED."
        )
    for name, number in figures.time_sources:
        if name == "placeholder":
            text += (
                f" No dates are known for {counted(number, 'object; it has', 'objects; they have')} the placeholder "
                f"{options.get('undated')}, and Longitudinal Temporal Information Modified is REMOVED."
            )
    return text.strip()


def _patients(options: Mapping[str, Any]) -> str:
    text = "Patient ID is the source's subject id"
    if options.get("unknown_subject") == "study":
        text += ", or the study id where the source names no patient"
    text += (
        ". Name and birth date are empty. The objects say that the publisher of the source removed the identity of the "
        "patients: Patient Identity Removed is YES."
    )
    places = options.get("sex_and_age_from")
    if places is None:
        return text + (" Sex and age are from the table of patients." if options.get("patients") else "")
    words = {
        "columns": "the study CSV" if options.get("sex_col") or options.get("age_col") else "",
        "patients": "the table of patients" if options.get("patients") else "",
        "comments": "comments of the WFDB header",
    }
    named = [words[place] for place in places if words[place]]
    return text + (f" Sex and age are from {', else '.join(named)}, where stated there." if named else "")


def _failures(figures: Figures) -> Iterator[str]:
    if not figures.failures:
        yield "None."
        return
    yield f"{figures.failed:,} of {figures.studies:,}; column `error` of `{MANIFEST}` names the kind for each."
    yield _table(
        ("kind", "meaning", "studies"),
        [(f"`{kind}`", remedy(kind).meaning, f"{number:,}") for kind, number in figures.failures],
    )


def _making(summary: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[str]:
    versions = ", ".join(f"{name} {number}" for name, number in sorted(summary["versions"].items()))
    yield f"Versions of the last run: {versions}. Options of the conversion:"
    given = [(key, value) for key, value in options.items() if key not in _NOT_LISTED and value != ""]
    given += [(key, os.path.basename(table_name(options[key]))) for key in TABLES if options.get(key)]
    yield _table(("option", "value"), [(f"`{key}`", f"`{_shown(value)}`") for key, value in sorted(given)])


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown, without rows that say nothing."""
    lines = [head, ("---",) * len(head)]
    lines += [tuple(map(_cell, row)) for row in rows if any(row[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
