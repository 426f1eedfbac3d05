"""Every fault that a long run meets, made to happen; docs/reliability.md says which test shows what."""
