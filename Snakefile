include: "workflow/Snakefile"


# Snakemake takes the first rule of a file, but not of an included one.
rule default:
    input:
        rules.all.input,
