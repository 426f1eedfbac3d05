# What a published data set needs, beside the DICOMs (target publish). Nothing is converted first: a run that is not
# whole is refused. Without an output it runs whenever it is asked for, and leaves alone what is up to date.
rule publish:
    log:
        "logs/publish.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/wfdb2dicom.yaml"
    threads: (workflow.resource_settings.cores if workflow.is_main_process else None) or config["threads_per_job"]
    params:
        command=command("publish"),
        folders=arguments("dcm_dir", "wfdb_dir", "max_failed"),
        seen_from=untracked(f"--folder={DIRECTORY}"),
        publish=f"--publish={json.dumps(config['publish'], sort_keys=True)}",
    shell:
        "{params.command} {params.folders:q} {params.seen_from:q} {params.publish:q} --workers={threads} --plans=results/plan"
        " --receipts=results/receipts --manifest=results/manifest.parquet --summary=results/summary.json"
        " --digests=results/.results.json --state=results/.publication.json 2>> {log:q} | tee -a {log:q}"
