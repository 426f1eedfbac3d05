# What a person wants to see of a run, before it is judged.
rule report:
    input:
        summary="results/summary.json",
        manifest="results/manifest.parquet",
    output:
        page=report(
            "results/report/index.html",
            caption="../report/conversion.rst",
            category="Conversion",
            labels={"what": "report of the run"},
        ),
        flagged="results/report/flagged.csv",
    log:
        "logs/report.log",
    localrule: True
    conda:
        "../../envs/wfdb2dicom.yaml"
    params:
        command=command("report"),
        limit=arguments("max_failed"),  # the page says whether it is kept
    shell:
        "{params.command} {params.limit:q} --summary={input.summary:q} --manifest={input.manifest:q} --receipts=results/receipts"
        " {output.page:q} 2> {log:q}"
