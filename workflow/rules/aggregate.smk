# What became of the studies, and whether it is good enough. Earlier results are not removed before the job and stay
# when it fails; that their digests are gone makes the next run put them together again.
rule aggregate:
    input:
        csv=literal(config["input_csv"]),
        receipts=planned_receipts,
    output:
        csv=update(literal(config["output_csv"])),
        errors=update(literal(error_log(config))),
        manifest=update("results/manifest.parquet"),
        summary=update("results/summary.json"),
        digests="results/.results.json",
    log:
        "logs/aggregate.log",
    localrule: True
    conda:
        "../../envs/wfdb2dicom.yaml"
    params:
        command=command("aggregate"),
        token=lambda wildcards: token_of_results(),
        columns=arguments("study_id_col", "dcm_path_col", "error_col", "dcm_dir"),
        run=untracked([f"--started={STARTED}", f"--options={summary_options()}"]),
    shell:
        "{params.command} --input-csv={input.csv:q} {params.columns:q} {params.run:q} --receipts=results/receipts"
        " --plans=results/plan --output-csv={output.csv:q} --errors={output.errors:q}"
        " --manifest={output.manifest:q} --summary={output.summary:q} --digests={output.digests:q}"
        " --token={params.token:q} 2>> {log:q} | tee -a {log:q}"


rule gate:
    input:
        summary="results/summary.json",
        page="results/report/index.html",
    output:
        passed="results/gate.txt",
    log:
        "logs/gate.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/wfdb2dicom.yaml"
    params:
        command=command("gate"),
        limit=arguments("max_failed"),
        folder=untracked(DIRECTORY),
    shell:
        "{params.command} {params.limit:q} --folder={params.folder:q} --report={input.page:q} {input.summary:q} {output.passed:q} 2> {log:q}"
