"""Batches of studies: planned, converted by supervised workers, and found fresh or stale."""
