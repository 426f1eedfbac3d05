"""WFDB records: their headers, samples and files, in a folder or in a ZIP.

`header`, `comments`
    The only parser of headers, and what their comments state about the patient.
`plain_reader`, `wfdb_reader`, `signal_files`
    Samples: one signal file of format 16 is read as it is; for any other record, wfdb decodes the files.
`samples`
    Checksums, flat leads and invalid samples.
`source_file`, `zip_source`, `readahead`
    Opening the files of a record in a folder or in a ZIP, and having them fetched ahead.
`stamps`, `zip_index`
    What a plan notes about the files of a record, to notice that one has changed and to find them in a ZIP.
"""
