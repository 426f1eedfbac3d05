# Checks of the DICOM objects: by validators (target validate), and by turning them back into WFDB files (target
# roundtrip). A batch whose receipt is unchanged is not checked again, and a table is complete before a target fails.
include: "validate_common.smk"


rule sample:
    input:
        receipts=planned_receipts,
    output:
        sample="results/sample.txt",
    log:
        "logs/sample.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/wfdb2dicom.yaml"
    params:
        command=command("validate"),
        size=config["validate_sample"],
    shell:
        "{params.command} sample --size={params.size:q} --plans=results/plan --receipts=results/receipts"
        " {output.sample:q} 2>> {log:q} | tee -a {log:q}"


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
        command=command("validate batch"),
        rules=RULES_VERSION,
    shell:
        "{params.command} --sample={input.sample:q} {input.plan:q} {input.receipt:q} {output.table:q}"
        " 2>> {log:q} | tee -a {log:q}"


use rule validate_batch as roundtrip_batch with:
    input:
        plan="results/plan/{batch}.tsv",
        receipt="results/receipts/{batch}.tsv",
        sample="results/sample.txt",
        sums=sums_of_source,
    output:
        table="results/roundtrip/{batch}.tsv",
    log:
        "logs/roundtrip/{batch}.log",
    params:
        command=command("roundtrip"),
        rules="",


rule validation:
    input:
        tables=tables_of("validation"),
    output:
        table="results/validation.tsv",
        summary="results/validation.json",
    log:
        "logs/validation.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/wfdb2dicom.yaml"
    params:
        command=command("findings collect validate --plans=results/plan results/validation"),
    shell:
        "{params.command} {output.table:q} 2> {log:q}"


use rule validation as roundtrips with:
    input:
        tables=tables_of("roundtrip"),
    output:
        table="results/roundtrip.tsv",
        summary="results/roundtrip.json",
    log:
        "logs/roundtrips.log",
    localrule: True
    params:
        command=command("findings collect roundtrip --plans=results/plan results/roundtrip"),


# Without an output they run, and show the summary, whenever they are asked for. Receipts and tables are inputs too
# because Snakemake makes a missing file again only if a rule that runs asks for it.
rule validate:
    input:
        receipts=planned_receipts,
        tables=tables_of("validation"),
        summary="results/validation.json",
    log:
        "logs/validate.log",
    retries: 0
    localrule: True
    conda:
        "../../envs/wfdb2dicom.yaml"
    params:
        command=command("findings"),
    shell:
        "{params.command} judge {input.summary:q} 2>> {log:q} | tee -a {log:q}"


use rule validate as roundtrip with:
    input:
        receipts=planned_receipts,
        tables=tables_of("roundtrip"),
        summary="results/roundtrip.json",
    log:
        "logs/roundtrip.log",
    localrule: True
