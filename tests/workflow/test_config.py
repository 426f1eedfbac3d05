"""Where options come from, and what is said of wrong ones before any work."""

import os
import shutil
from datetime import date
from pathlib import Path

import pytest
import yaml

from small_tree import FIRST, study_path
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs import configuration
from wfdb2dicom.inputs.configuration import check_inputs, error_log
from working_folder import ROOT, SNAKEMAKE, run_to_end

from .conftest import Work

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
DEFAULTS = yaml.safe_load((ROOT / "config.yaml").read_text())
MINIMAL = {"input_csv": "studies.csv", "wfdb_dir": "wfdb"}


def complete(given: dict[str, object]) -> dict[str, object]:
    """The options of a run, with the project's defaults and schema."""
    return configuration.complete(given, DEFAULTS, SCHEMA)


class TestValues:
    """Each complaint names the key, its value and the remedy."""

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"imput_csv": "x"}, ["imput_csv", "no such option", "did you mean input_csv?"]),
            ({"colour": "red"}, ["colour", "no such option", "the options are input_csv"]),
            ({"input_csv": None}, ["input_csv: missing", "--configfile", "--config input_csv="]),
            ({"timeout": "soon"}, ["timeout: 'soon' is not a number", "Seconds that one study may take"]),
            ({"timeout": 0}, ["timeout: 0 is not above 0 (Seconds that one study may take)"]),
            ({"timeout": True}, ["timeout: True is not a number"]),
            ({"overwrite": "yes"}, ["overwrite: 'yes' is not a boolean: write true or false"]),
            ({"studies_per_job": "many"}, ["studies_per_job: 'many' is neither 'auto' nor a whole number from 1"]),
            ({"studies_per_job": 0}, ["studies_per_job: 0 is neither 'auto' nor a whole number from 1"]),
            ({"lead_order": "alphabetic"}, ["lead_order: 'alphabetic' is none of 'source', 'standard'"]),
            ({"retry_failed": "never"}, ["retry_failed: 'never' is none of 'transient', 'all', 'none'"]),
            ({"missing_metadata": "skip"}, ["missing_metadata: 'skip' is none of 'error', 'allow'"]),
            ({"max_failed": 5}, ["max_failed: 5 is more than 1: write 0.05 for 5 %"]),
            ({"uid_root": 2.25}, ["uid_root: 2.25 is a number where text is needed: put it in quotes"]),
            ({"uid_root": "2.025"}, ["uid_root: '2.025' is not a UID root"]),
            (
                {"dcm_dir": "~/ecg"},
                ["dcm_dir: '~/ecg' begins with what only a shell replaces: write the whole"],
            ),
            ({"output_csv": "$SCRATCH/x.csv"}, ["output_csv: '$SCRATCH/x.csv' begins with what only a shell"]),
            ({"dcm_dir": ""}, ["dcm_dir: '' is empty"]),
            ({"undated": "1900"}, ["undated: '1900' does not have the form of 1900-01-01"]),
            ({"sex_and_age_from": "comments"}, ["sex_and_age_from: 'comments' is not a list"]),
            (
                {"sex_and_age_from": ["header"]},
                ["sex_and_age_from.0: 'header' is none of 'columns', 'patients', 'comments'"],
            ),
            ({"metadata": ["a.csv"]}, ["metadata: ['a.csv'] is not a string"]),
            (
                {"publish": {"version": 1.0}},
                ["publish.version: 1.0 is a number where text is needed: put it in quotes"],
            ),
            ({"publish": {"titel": "x"}}, ["publish.titel: there is no such option; did you mean publish.title?"]),
            ({"publish": {"citation": "x"}}, ["publish.citation: 'x' is not a list: write [one, another]"]),
            ({"publish": {"citation": ["x", ""]}}, ["publish.citation.1: '' is empty"]),
            ({"publish": {"date": "1.2.2026"}}, ["publish.date: '1.2.2026' does not have the form of 2026-01-31"]),
            ({"publish": {"date": date(2026, 1, 31)}}, ["publish.date: 2026-01-31 is not in quotes"]),
            ({"publish": "x"}, ["publish: 'x' is not a mapping"]),
        ],
    )
    def test_wrong_value(self, given: dict[str, object], words: list[str]) -> None:
        with pytest.raises(ConfigError) as error:
            complete(MINIMAL | given)
        for word in words:
            assert word in str(error.value)

    @pytest.mark.parametrize("key", ["studies_per_job", "max_studies_per_job", "threads_per_job", "validate_sample"])
    def test_a_whole_number_may_be_written_as_a_decimal(self, key: str) -> None:
        value = complete(MINIMAL | {key: 100.0})[key]
        assert (value, type(value)) == (100, int)
        with pytest.raises(ConfigError, match=rf"{key}: 100\.5 "):
            complete(MINIMAL | {key: 100.5})

    def test_a_date_needs_no_quotes(self) -> None:
        assert complete(MINIMAL | {"undated": date(1900, 1, 1)})["undated"] == "1900-01-01"

    @pytest.mark.parametrize("text", ["true", "True", "false", "FALSE"])
    def test_truth_may_be_text_as_from_the_command_line(self, text: str) -> None:
        assert complete(MINIMAL | {"overwrite": text})["overwrite"] is (text.lower() == "true")

    @pytest.mark.parametrize("key", ["timeout", "max_failed", "studies_per_job"])
    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_what_is_no_finite_number_is_refused(self, key: str, value: float) -> None:
        with pytest.raises(ConfigError, match=rf"{key}: {value} is not a finite number"):
            complete(MINIMAL | {key: value})

    def test_all_wrong_values_are_named_at_once(self) -> None:
        with pytest.raises(ConfigError, match=r"(?s)timeout.*lead_order"):
            complete(MINIMAL | {"timeout": 0, "lead_order": "x"})

    @pytest.mark.parametrize(
        ("given", "path"),
        [("/out/", "/out"), ("./out", "out"), ("out//a/./b/", "out/a/b"), ("link/../out/", "link/../out"), (".", ".")],
    )
    @pytest.mark.parametrize("key", ["dcm_dir", "wfdb_dir", "output_csv"])
    def test_paths_are_spelled_as_snakemake_compares_them(self, key: str, given: str, path: str) -> None:
        assert complete(MINIMAL | {key: given})[key] == path

    def test_the_schema_describes_what_config_yaml_has_in_the_same_order(self) -> None:
        properties = yaml.safe_load(SCHEMA.read_text())["properties"]
        assert set(properties) == set(DEFAULTS)
        assert all(rule["description"] and "default" not in rule for rule in properties.values())

    def test_every_default_is_a_value_that_the_schema_allows(self) -> None:
        assert complete(MINIMAL) == DEFAULTS | MINIMAL

    def test_what_must_be_given_has_no_default(self) -> None:
        assert {key for key in DEFAULTS if DEFAULTS[key] == ""} >= set(MINIMAL)
        with pytest.raises(ConfigError, match=r"(?s)input_csv: missing.*wfdb_dir: missing"):
            complete(DEFAULTS)

    def test_each_option_is_explained_where_its_default_is(self) -> None:
        lines = (ROOT / "config.yaml").read_text().splitlines()
        for key in DEFAULTS:
            number = next(n for n, line in enumerate(lines) if line.startswith(f"{key}: "))
            assert lines[number - 1].startswith("# "), key

    def test_a_key_without_a_value_has_its_default(self) -> None:
        assert complete(MINIMAL | {"timeout": None})["timeout"] == DEFAULTS["timeout"]


class TestInputs:
    """Files are looked at before any work."""

    @pytest.fixture
    def options(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "studies.csv").write_text("study_id,path\n1,a\n")
        (tmp_path / "wfdb").mkdir()
        return complete(MINIMAL)

    @pytest.mark.parametrize("given", ["data", "data/the-data-set-1.0/files"])
    def test_the_folder_that_has_the_table_is_named(
        self, options: dict[str, object], tmp_path: Path, given: str
    ) -> None:
        """An unpacked ZIP has a folder at its top, and MIMIC-IV-ECG has one of records in that."""
        (tmp_path / "data/the-data-set-1.0/files").mkdir(parents=True)
        (tmp_path / "data/the-data-set-1.0/record_list.csv").write_text("study_id,path\n1,a\n")
        with pytest.raises(ConfigError, match=r"or set wfdb_dir to 'data/the-data-set-1\.0', which has it"):
            check_inputs(options | {"input_csv": "record_list.csv", "wfdb_dir": given})

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"input_csv": "none.csv"}, "input_csv: 'none.csv' does not exist (relative to "),
            ({"input_csv": "none.csv", "wfdb_dir": "none"}, "wfdb_dir: 'none' does not exist"),
            ({"metadata": "none.csv"}, ", or in wfdb_dir, 'wfdb'): correct the path, or wfdb_dir"),
            ({"input_csv": "wfdb"}, "input_csv: 'wfdb' is a folder, not a file"),
            ({"metadata": "/none.csv"}, "metadata: '/none.csv' does not exist (absolute path)"),
            ({"wfdb_dir": "none"}, "wfdb_dir: 'none' does not exist"),
            ({"wfdb_dir": "studies.csv"}, "wfdb_dir: 'studies.csv' is neither a folder nor a ZIP"),
            ({"output_csv": "wfdb"}, "output_csv: 'wfdb' is a folder, not a file: name a file"),
            (
                {"output_csv": "results/summary.json"},
                "output_csv: 'results/summary.json' is results/summary.json of the workflow itself: name another file",
            ),
            (
                {"dcm_dir": "results/plan/dicom"},
                "dcm_dir: 'results/plan/dicom' lies in results/plan, which the workflow empties: name another place",
            ),
            ({"dcm_dir": "wfdb/../results/receipts"}, "lies in results/receipts, which the workflow empties"),
            ({"output_csv": "results/plan/out.csv"}, "output_csv: 'results/plan/out.csv' lies in results/plan, which"),
            ({"error_log": "results/progress/log"}, "error_log: 'results/progress/log' lies in results/progress"),
            ({"error_log": "results/.results.json"}, "is results/.results.json of the workflow itself"),
            ({"error_log": "out.csv", "output_csv": "wfdb/../out.csv"}, "error_log: 'out.csv' is output_csv ("),
            ({"dcm_path_col": "dcm_error"}, "error_col: 'dcm_error' is dcm_path_col too: name another column"),
            ({"dcm_path_col": "study_id"}, "dcm_path_col: 'study_id' is a column that is read: name another one"),
            ({"error_col": "path"}, "error_col: 'path' is a column that is read: name another one for the result"),
            (
                {"study_id_col": "studyid"},
                "study_id_col: studies.csv has no column 'studyid'. Did you mean 'study_id'?",
            ),
            ({"path_col": "where"}, "path_col: studies.csv has no column 'where'"),
        ],
    )
    def test_wrong_input(self, options: dict[str, object], given: dict[str, object], words: str) -> None:
        check_inputs(options)
        with pytest.raises(ConfigError) as error:
            check_inputs(options | given)
        assert words in str(error.value)

    @pytest.mark.parametrize("output", ["output_csv", "error_log"])
    @pytest.mark.parametrize("key", ["input_csv", "metadata", "patients"])
    @pytest.mark.parametrize("spelling", ["studies.csv", "wfdb/../studies.csv", "link.csv", "folder/studies.csv"])
    def test_no_output_takes_the_place_of_an_input(
        self, options: dict[str, object], tmp_path: Path, output: str, key: str, spelling: str
    ) -> None:
        (tmp_path / "link.csv").symlink_to("studies.csv")
        (tmp_path / "folder").symlink_to(tmp_path)
        (tmp_path / "other.csv").write_text("study_id,path\n1,a\n")
        mine = options | {"input_csv": "other.csv", key: "studies.csv"}
        check_inputs(mine)
        with pytest.raises(ConfigError) as error:
            check_inputs(mine | {output: spelling})
        assert str(error.value) == f"{output}: {spelling!r} is {key} ('studies.csv') itself: name another file"

    def test_the_error_log_beside_the_table_is_no_input_either(
        self, options: dict[str, object], tmp_path: Path
    ) -> None:
        (tmp_path / "mine.errors.log").touch()
        with pytest.raises(ConfigError, match=r"error_log: 'mine.errors.log' is metadata"):
            check_inputs(options | {"metadata": "mine.errors.log", "output_csv": "mine.csv"})

    @pytest.mark.parametrize(
        ("output", "log"),
        [
            ("a.csv", "a.errors.log"),
            ("a", "a.errors.log"),
            ("b/a.v1", "b/a.v1.errors.log"),
            ("a.tsv", "a.tsv.errors.log"),
        ],
    )
    def test_tables_side_by_side_have_logs_of_their_own(
        self, options: dict[str, object], output: str, log: str
    ) -> None:
        assert error_log(options | {"output_csv": output}) == log

    def test_no_input_is_a_file_that_the_workflow_writes(self, options: dict[str, object], tmp_path: Path) -> None:
        (tmp_path / "results").mkdir()
        (tmp_path / "results/summary.json").touch()
        with pytest.raises(ConfigError, match=r"metadata: 'results/summary.json' is .* of the workflow itself"):
            check_inputs(options | {"metadata": "results/summary.json"})

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("study_id,path\n", "has column names but no rows"),
            ("study_id;path\n1;a\n", "is separated by ';', not by commas"),
            ("", "is empty"),
            ("study_id,path\n1\n", "line 2: 1 cells instead of the 2 of the header"),
        ],
    )
    def test_what_the_first_rows_show_is_told_before_any_work(
        self, options: dict[str, object], tmp_path: Path, text: str, words: str
    ) -> None:
        (tmp_path / "studies.csv").write_text(text)
        with pytest.raises(ConfigError, match=words):
            check_inputs(options)

    def test_the_column_that_paths_are_found_in_is_no_place_for_results(
        self, options: dict[str, object], tmp_path: Path
    ) -> None:
        (tmp_path / "studies.csv").write_text("study_id,waveform_path\n1,a/b\n")
        with pytest.raises(ConfigError, match="dcm_path_col: 'waveform_path' is a column that is read"):
            check_inputs(options | {"dcm_path_col": "waveform_path"})

    def test_a_module_may_wait_for_its_inputs(self, options: dict[str, object]) -> None:
        check_inputs(options | {"input_csv": "later.csv", "wfdb_dir": "later"}, may_be_made_later=True)


@pytest.mark.workflow
class TestRuns:
    """The same through Snakemake."""

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"studys_per_job": 3}, "studys_per_job: there is no such option; did you mean studies_per_job?"),
            ({"metadata": "none.csv"}, "metadata: 'none.csv' does not exist"),
        ],
    )
    def test_a_wrong_option_stops_the_run_before_any_work(
        self, work: Work, given: dict[str, object], words: str
    ) -> None:
        before = work.files()
        run = work.run(status=1, **given)
        assert words in run.output
        assert "Traceback" not in run.output
        assert work.files() == before

    @pytest.mark.parametrize(
        ("edit", "words"),
        [
            (lambda rows: [*rows, rows[1]], "input_csv: wfdb/record_list.csv has the study 40000000 on line 2 and on"),
            (lambda rows: rows[:1], "input_csv: wfdb/record_list.csv has column names but no rows"),
            (lambda rows: ["a,b", "1,2"], "study_id_col: wfdb/record_list.csv has no column 'study_id'"),
        ],
    )
    def test_a_wrong_study_csv_stops_the_run_before_any_work(self, work: Work, edit: object, words: str) -> None:
        csv = work.folder / "wfdb/record_list.csv"
        csv.write_text("\n".join(edit(csv.read_text().splitlines())) + "\n")
        before = work.dicoms()
        run = work.run(status=1)
        assert words in run.output
        assert run.batches == []
        assert work.dicoms() == before

    def test_directory_and_a_snakefile_elsewhere(self, work: Work, tmp_path: Path) -> None:
        shutil.rmtree(work.folder / "results")
        command = [part if part != "mine.yaml" else str(work.folder / "mine.yaml") for part in work.command()]
        run = run_to_end([*command, "--directory", str(work.folder)], tmp_path)
        assert run.status == 0, run.output
        assert (work.folder / "results/studies.with_dcm.csv").exists()
        assert os.listdir(tmp_path) == ["work"]

    def test_a_brace_in_the_name_of_the_projects_folder_is_refused(self, work: Work) -> None:
        os.symlink(ROOT, work.folder / "{x}")
        command = [part.replace(str(ROOT), str(work.folder / "{x}")) for part in work.command()]
        run = run_to_end(command, work.folder)
        assert run.status == 1
        assert "holds a brace, which Snakemake takes for a wildcard: rename the project's folder" in run.output
        assert "Traceback" not in run.output

    def test_a_module_of_another_workflow(self, work: Work) -> None:
        shutil.rmtree(work.folder / "results")
        os.rename(work.folder / "wfdb/record_list.csv", work.folder / "all.csv")
        before = work.dicoms()
        (work.folder / "Snakefile").write_text(
            "configfile: 'outer.yaml'\n"
            "rule all:\n"
            "    default_target: True\n"
            "    input: 'counted.txt'\n"
            "rule select:\n"
            "    input: 'all.csv'\n"
            "    output: 'wfdb/record_list.csv'\n"
            "    shell: 'cp {input} {output}'\n"
            "module ecg:\n"
            f"    snakefile: {str(ROOT / 'workflow/Snakefile')!r}\n"
            "    config: config['ecg']\n"
            "use rule * from ecg as ecg_*\n"
            "rule count:\n"
            "    input: 'results/studies.with_dcm.csv'\n"
            "    output: 'counted.txt'\n"
            "    shell: 'wc -l < {input} > {output}'\n"
        )
        (work.folder / "outer.yaml").write_text(yaml.safe_dump({"ecg": work.config, "other": 1}))
        command = [*SNAKEMAKE, "--cores", "2"]
        run = run_to_end(command, work.folder)
        assert run.status == 0, run.output
        assert (work.folder / "counted.txt").read_text() == "25\n"
        assert {name: parts[1:] for name, parts in work.dicoms().items()} == {n: p[1:] for n, p in before.items()}
        assert run_to_end(command, work.folder).nothing_done

    def test_a_module_in_a_fresh_folder_makes_what_another_rule_takes(self, work: Work, tmp_path: Path) -> None:
        """Its rules are asked for their inputs after Snakemake has listed the folder results, which is not there."""
        folder = tmp_path / "fresh"
        folder.mkdir()
        os.rename(work.folder / "wfdb", folder / "wfdb")
        (folder / "Snakefile").write_text(
            "rule count:\n"
            "    input: 'results/studies.with_dcm.csv'\n"
            "    output: 'counted.txt'\n"
            "    shell: 'wc -l < {input} > {output}'\n"
            "module ecg:\n"
            f"    snakefile: {str(ROOT / 'workflow/Snakefile')!r}\n"
            f"    config: {work.config!r}\n"
            "use rule * from ecg as ecg_*\n"
            "print('local:', {'ecg_aggregate', 'ecg_roundtrip'} <= workflow._localrules)\n"
        )
        run = run_to_end([*SNAKEMAKE, "--cores", "2"], folder)
        assert "local: True" in run.output
        assert run.status == 0 and (folder / "counted.txt").read_text() == "25\n", run.output
        assert "localrules" not in run.output

    @pytest.mark.parametrize("statement", ["prefix: 'ecg'", "replace_prefix: {'results/': 'ecg/'}"])
    def test_a_module_with_a_prefix_is_refused_before_any_work(self, work: Work, statement: str) -> None:
        before = work.files()
        (work.folder / "Snakefile").write_text(
            "module ecg:\n"
            f"    snakefile: {str(ROOT / 'workflow/Snakefile')!r}\n"
            f"    config: {work.config!r}\n"
            f"    {statement}\n"
            "use rule * from ecg as ecg_*\n"
        )
        run = run_to_end([*SNAKEMAKE, "--cores", "2"], work.folder)
        assert run.status == 1
        assert "prefix: the module statement makes results/plan into ecg/" in run.output
        assert work.files() == before

    def test_a_folder_with_a_trailing_slash_makes_single_studies(self, work: Work) -> None:
        target = f"dicom/{study_path(FIRST)}.dcm"
        work.dicom(FIRST).unlink()
        work.run(target, dcm_dir="./dicom/", wfdb_dir="wfdb/")
        assert work.dicom(FIRST).exists()


def test_a_run_without_a_configuration_says_which_keys_are_missing(work: Work) -> None:
    """Whoever forgets --configfile is told so, and nothing is touched."""
    before = work.files()
    refused = run_to_end([*SNAKEMAKE, "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"], work.folder)
    assert refused.status != 0
    assert "input_csv: missing; give it in a --configfile" in refused.output
    assert "wfdb_dir: missing; give it in a --configfile" in refused.output
    assert work.files() == before


def test_options_of_the_command_line_overlay_those_of_the_file(work: Work) -> None:
    run = run_to_end([*work.command(max_failed=0.001), "--config", "max_failed=0.5"], work.folder)
    assert run.status == 0, run.output
