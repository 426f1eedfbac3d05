"""WFDB records: headers, samples, and what their files look like."""
