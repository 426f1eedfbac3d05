"""The inputs of a run, read and checked before anything is converted.

`configuration`
    The options: defaults, checks, and errors that name key, value and remedy.
`studies`
    The study CSV as a list of `Study`, one per row. It uses `csv_text` (cells as text), `columns` (their names),
    `study_ids`, `sex_and_age_columns`, and, to refuse rows that would put one patient's data into another's object,
    `shared_files` and `shifted_rows`.
`locator`
    From the path in a row to the record in wfdb_dir, folder or ZIP.
`records_list`, `records_csv`
    RECORDS, the list that PhysioNet publishes, in place of a study CSV.
`measurements`, `measurements_file`
    machine_measurements by study, from CSV, Parquet, or a pickle, which `unpickle` reads without running code.
`patients`
    Sex and age from MIMIC-IV's patients.csv.
`find_tables`, `zip_copies`, `compressed_file`
    Tables that lie in wfdb_dir, in a ZIP, or compressed.
"""
