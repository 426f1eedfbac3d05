"""A finished run as a data set that others can take: what belongs beside the objects, from manifest and summary.

`publication`
    Writes the files, only those that changed, and refuses a run that is incomplete.
`completeness`
    Whether receipts, manifest and objects still agree.
`source`
    What is known of the collection that was converted: name, licence, citation, digests. Nothing is guessed.
`figures`
    The counts of the data card, from the manifest.
`data_card`, `croissant`, `tables`
    README.md; croissant.json; manifest.parquet, RECORDS and SHA256SUMS.txt.
"""

from wfdb2dicom.publish.publication import Publication, PublishOptions, publish

__all__ = ["Publication", "PublishOptions", "publish"]
