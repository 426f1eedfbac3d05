# Sends the DICOM objects to an archive (target store): from this machine only, whose environment has the credentials.
include: "store_common.smk"


rule store_batch:
    input:
        receipt=receipt_to_store,
    output:
        table="results/store/{batch}.tsv",
    log:
        "logs/store/{batch}.log",
    localrule: True
    conda:
        "../../envs/archive.yaml"
    resources:
        archive=1,
    params:
        command=command("send"),
        archive=f"--archive={ARCHIVE}",
        run=untracked(f"--run={STARTED}"),
        token=lambda wildcards: store_token(wildcards.batch),
        dcm_dir=arguments("dcm_dir"),
    shell:
        "{params.command} batch {params.archive:q} {params.dcm_dir:q} --token={params.token:q}"
        " --journals=results/store/journal {params.run:q} {input.receipt:q} {output.table:q} 2>> {log:q} | tee -a {log:q}"


rule store:
    input:
        tables=stored_batches,
    output:
        summary="results/store/summary.json",
    log:
        "logs/store.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/archive.yaml"
    params:
        command=command("send"),
    shell:
        "{params.command} summary {output.summary:q} {input.tables:q} 2>> {log:q} | tee -a {log:q}"
