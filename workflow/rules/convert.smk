# The batches, one job each; and any single study. (Snakemake removes a log before the job; both ends append to it.)
rule convert:
    input:
        plan="results/plan/{batch}.tsv",
    output:
        receipt="results/receipts/{batch}.tsv",
    log:
        "logs/convert/{batch}.log",
    conda:
        "../../envs/wfdb2dicom.yaml"
    threads: config["threads_per_job"]
    resources:
        mem_mb=memory_of_batch,
        runtime=minutes_of_batch,
    params:
        command=command("convert-batch"),
        generation=generation_of_plan,
        options=untracked(arguments("timeout")),
        switches=untracked(switches("overwrite")),
        studies=conversions_in,
        tee=untracked("| tee -a" if SHOW_ALL else ">>"),
    message:
        "Batch {wildcards.batch}: {params.studies}"
    shell:
        "{params.command} {params.options:q} {params.switches} --workers={threads}"
        " --progress=results/progress/{wildcards.batch:q}"
        " --known-failures=results/plan/known_failures/{wildcards.batch:q}.tsv {input.plan:q} {output.receipt:q} 2>> {log:q} {params.tee} {log:q}"


# The DICOM is not removed before the job: one that is up to date keeps its content (Snakemake sets its time anew).
rule study:
    input:
        plan=plan_of_study,
    output:
        dicom=update(in_dcm_dir("{record}.dcm")),
    log:
        "logs/study/{record}.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/wfdb2dicom.yaml"
    params:
        command=command("convert-study"),
        options=untracked(arguments("timeout")),
        switches=untracked(switches("overwrite")),
    shell:
        "{params.command} {params.options:q} {params.switches} {input.plan:q} {wildcards.record:q}.dcm"
        " 2>> {log:q} | tee -a {log:q}"
