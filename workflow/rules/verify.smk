# Every receipt against the disk as it is: nothing is converted first. Without an output it runs whenever it is asked
# for, and keeps its table when there are findings.
rule verify:
    log:
        "logs/verify.log",
    retries: 0
    conda:
        "../../envs/wfdb2dicom.yaml"
    threads: (workflow.resource_settings.cores if workflow.is_main_process else None) or config["threads_per_job"]
    resources:
        mem_mb=2000,
        runtime=480,
    params:
        command=command("verify"),
    shell:
        "{params.command} --plans=results/plan --receipts=results/receipts --workers={threads}"
        " results/verify.tsv 2>> {log:q} | tee -a {log:q}"
