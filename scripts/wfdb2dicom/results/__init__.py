"""The results of a run: CSV, error log, manifest and summary."""
