"""Batches of studies: planned, converted by supervised workers, and found to be up to date or not.

`plan` cuts the study CSV into plan files, `job` converts one of them and writes its receipt (`supervisor`, `worker` and
`worker_reports` do the work, `progress` reports on it), `freshness` compares both with the disk. `tables` defines plan
files and receipts, `plan_files` searches them, `rerun_token` tells Snakemake what it does not look for itself, and
`preview` says in a dry run what would be converted.
"""
