"""What the operating system does for us: whole files, locks, syncs, and pools of processes."""
