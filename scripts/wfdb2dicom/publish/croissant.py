"""croissant.json: the data set for programs, in the Croissant format 1.0 of MLCommons.

One FileSet stands for all objects, and the manifest is a RecordSet whose rows say which of these files is which study:
the size of the file does not depend on the number of studies. The context is the one that mlcroissant, the format's
reference implementation, expects of version 1.0.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from wfdb2dicom.publish.figures import Figures
from wfdb2dicom.publish.source import LICENSE, Source
from wfdb2dicom.publish.tables import MANIFEST
from wfdb2dicom.results.manifest import COLUMNS

CROISSANT = "croissant.json"
_OBJECTS = "objects"
_STUDIES = "studies"
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {
    pa.string(): "sc:Text",
    pa.int64(): "cr:Int64",
    pa.int32(): "cr:Int32",
    pa.float64(): "cr:Float64",
    pa.bool_(): "sc:Boolean",
    pa.timestamp("us"): "sc:DateTime",
}
# What a program must know of a column beyond its meaning to get to the samples.
_HOW = {
    "dcm_path": "Path relative to the folder of this file: one of the files of the FileSet. Null where the study could "
    "not be converted.",
    "error": "Kind of failure; null where there is a DICOM file.",
    "record": "The WFDB record, relative to the top of the source, without extension; null where it lies outside.",
}


def croissant(source: Source, figures: Figures, manifest_sha256: str) -> bytes:
    """The content of croissant.json."""
    metadata = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": source.title,
        "description": figures.sentence(source.full_name),
        "license": source.get("license_url") or LICENSE,
        "url": source.get("page"),
        "version": source.get("release"),
        "datePublished": source.get("date"),
        "creator": [{"@type": "sc:Person", "name": name} for name in source.texts("authors")],
        "citeAs": "\n".join(source.texts("citation")),
        "isBasedOn": f"https://doi.org/{source.get('doi')}" if source.get("doi") else source.get("url"),
        "distribution": [_manifest(manifest_sha256), _objects()],
        "recordSet": [_studies()],
    }
    known = {key: value for key, value in metadata.items() if value}
    return (json.dumps(known, indent=2, ensure_ascii=False) + "\n").encode()


def _manifest(sha256: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": MANIFEST,
        "name": MANIFEST,
        "description": "One row per study.",
        "contentUrl": MANIFEST,
        "encodingFormat": "application/x-parquet",
        "sha256": sha256,
    }


def _objects() -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": _OBJECTS,
        "name": _OBJECTS,
        "description": (
            "DICOM ECG waveform objects in the folder of this file, one for each study that was converted; the field "
            f"dcm_path of the record set {_STUDIES} names the file of each."
        ),
        "encodingFormat": "application/dicom",
        "includes": ["*.dcm", "**/*.dcm"],
    }


def _studies() -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": _STUDIES,
        "name": _STUDIES,
        "description": "The studies: those with a DICOM object, and those that could not be converted.",
        "key": {"@id": f"{_STUDIES}/study_id"},
        "field": [_field(name, kind, meaning) for name, kind, meaning in COLUMNS],
    }


def _field(name: str, kind: pa.DataType, meaning: str) -> dict[str, Any]:
    repeated = pa.types.is_list(kind)
    field = {
        "@type": "cr:Field",
        "@id": f"{_STUDIES}/{name}",
        "name": name,
        "description": _HOW.get(name, meaning),
        "dataType": _TYPES[kind.value_type if repeated else kind],
        "source": {"fileObject": {"@id": MANIFEST}, "extract": {"column": name}},
    }
    return field | {"repeated": True} if repeated else field
