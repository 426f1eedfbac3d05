# The study CSV cut into batches, one plan file each.
checkpoint plan:
    input:
        csv=literal(config["input_csv"]),
        metadata=literal(config["metadata"]) if config["metadata"] else [],
        patients=literal(config["patients"]) if config["patients"] else [],
        options=plan_options,
    output:
        plans=directory("results/plan"),
    log:
        "logs/plan.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/wfdb2dicom.yaml"
    params:
        command=command("plan"),
        token=lambda wildcards: plan_token(),
        encoding_version=ENCODING_VERSION,
        tracked=arguments(*PLANNED),
        wanted=switches("annotations"),
        untracked=untracked(arguments("retry_failed")),
        switches=untracked(switches("overwrite", "watch_sources")),
    shell:
        "{params.command} --input-csv={input.csv:q} --metadata={input.metadata:q}"
        " --patients={input.patients:q} {params.tracked:q} {params.wanted} {params.untracked:q} {params.switches}"
        " --token={params.token:q} --receipts=results/receipts {output.plans:q} 2>> {log:q} | tee -a {log:q}"
