"""Checks over the objects of a run: verify, validate and roundtrip."""
