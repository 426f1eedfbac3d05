"""The operating system: files that are whole or absent, locks, syncs, limits and pools of processes.

`whole_file`, `regular_file` and `tsv` are for the files of the project; `output_tree`, `folders` and `stable_storage`
for the DICOMs; `lock` and `current_run` for runs; `pool`, `limits` and `linux` for processes; `zip_directory` and
`zip_member` for ZIP files; `paths` for all of them.
"""
