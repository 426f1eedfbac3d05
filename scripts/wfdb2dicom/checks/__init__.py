"""Checks of finished DICOM objects, which repair nothing.

`verify`
    Every receipt against the disk: is each object there, and what its source and the options give?
`validate`
    dciodvfy and the project's own checker over a sample of the objects.
`roundtrip`
    A sample of the objects turned back into WFDB files, whose digests their publisher gave.
`sample`
    The studies that the last two look at.
`checked_objects`
    The tables that the last two write, and the summary of one screen.
"""
