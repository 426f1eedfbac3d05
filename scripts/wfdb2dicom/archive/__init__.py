"""Sending DICOM objects to an archive, by STOW-RS or by C-STORE.

`settings`, `credentials`
    Where the archive is (configuration) and the account for it (environment).
`connect`
    Makes a client of the settings: `stow` or `cstore`, which follow the protocol in `client`.
`send`
    Sends the objects of a batch that the archive does not have.
`journal`, `sent_table`, `login`
    What is known to have arrived, the table of a batch, and the log-in that stops all jobs of a run once it is refused.
"""
