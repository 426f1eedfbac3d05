# An ECG page of a study, from its DICOM alone: snakemake <dcm_dir>/<path>.png (or .pdf, .svg).
rule page:
    input:
        dicom=in_dcm_dir("{record}.dcm"),
    output:
        page=in_dcm_dir("{record}.{format}"),
    log:
        "logs/page/{record}.{format}.log",
    wildcard_constraints:
        format="png|pdf|svg",
    retries: 0
    conda:
        "../../envs/wfdb2dicom.yaml"
    params:
        command=command("draw"),
    shell:
        "{params.command} {input.dicom:q} {output.page:q} 2> {log:q}"
