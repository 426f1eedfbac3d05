"""The results of a run, from the receipts of its batches: CSV, error log, manifest and summary.

aggregate puts them together, manifest has the columns of the Parquet file, summary the counts and the text at the end
of a run, remedies the next step for each kind of failure.
"""
