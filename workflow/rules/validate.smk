# The DICOMs judged: by validators (target validate), and by turning them back into WFDB files (target roundtrip).
# Batches whose receipts have not changed are not judged again, and a table is complete before a target fails.
include: "validate_common.smk"


rule sample:
    input:
        receipts=planned_receipts,
    output:
        sample="results/sample.txt",
    log:
        "logs/sample.log",
    retries: 0
    conda:
        "../../envs/wfdb2dicom.yaml"
    params:
        command=command("validate"),
        size=config["validate_sample"],
    shell:
        "{params.command} sample --size={params.size:q} --receipts=results/receipts {output.sample:q}"
        " 2>> {log:q} | tee -a {log:q}"


rule validate_batch:
    input:
        plan="results/plan/{batch}.tsv",
        receipt="results/receipts/{batch}.tsv",
        sample="results/sample.txt",
    output:
        table="results/validation/{batch}.tsv",
    log:
        "logs/validate/{batch}.log",
    conda:
        "../../envs/wfdb2dicom.yaml"
    resources:
        mem_mb=500,
        runtime=minutes_of_batch,
    params:
        command=command("validate"),
        rules=RULES_VERSION,
    shell:
        "{params.command} batch --sample={input.sample:q} {input.plan:q} {input.receipt:q} {output.table:q}"
        " 2>> {log:q} | tee -a {log:q}"


rule roundtrip_batch:
    input:
        plan="results/plan/{batch}.tsv",
        receipt="results/receipts/{batch}.tsv",
        sample="results/sample.txt",
        sums=sums_of_source,
    output:
        table="results/roundtrip/{batch}.tsv",
    log:
        "logs/roundtrip/{batch}.log",
    conda:
        "../../envs/wfdb2dicom.yaml"
    resources:
        mem_mb=500,
        runtime=minutes_of_batch,
    params:
        command=command("roundtrip"),
    shell:
        "{params.command} --sample={input.sample:q} {input.plan:q} {input.receipt:q} {output.table:q}"
        " 2>> {log:q} | tee -a {log:q}"


rule validation:
    input:
        tables=tables_of("validation"),
    output:
        table="results/validation.tsv",
        verdict="results/validation.json",
    log:
        "logs/validation.log",
    retries: 0
    conda:
        "../../envs/wfdb2dicom.yaml"
    params:
        command=command("findings"),
    shell:
        "{params.command} collect validate --plans=results/plan results/validation {output.table:q} 2> {log:q}"


rule roundtrips:
    input:
        tables=tables_of("roundtrip"),
    output:
        table="results/roundtrip.tsv",
        verdict="results/roundtrip.json",
    log:
        "logs/roundtrips.log",
    retries: 0
    conda:
        "../../envs/wfdb2dicom.yaml"
    params:
        command=command("findings"),
    shell:
        "{params.command} collect roundtrip --plans=results/plan results/roundtrip {output.table:q} 2> {log:q}"


# Without an output they run, and say what was found, whenever they are asked for. Receipts and tables are inputs of
# theirs because Snakemake makes a missing file again only for the rule that stands last.
rule validate:
    input:
        receipts=planned_receipts,
        tables=tables_of("validation"),
        verdict="results/validation.json",
    log:
        "logs/validate.log",
    retries: 0
    conda:
        "../../envs/wfdb2dicom.yaml"
    params:
        command=command("findings"),
    shell:
        "{params.command} judge {input.verdict:q} 2>> {log:q} | tee -a {log:q}"


rule roundtrip:
    input:
        receipts=planned_receipts,
        tables=tables_of("roundtrip"),
        verdict="results/roundtrip.json",
    log:
        "logs/roundtrip.log",
    retries: 0
    conda:
        "../../envs/wfdb2dicom.yaml"
    params:
        command=command("findings"),
    shell:
        "{params.command} judge {input.verdict:q} 2>> {log:q} | tee -a {log:q}"
