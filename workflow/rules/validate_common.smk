# What the rules of validate.smk share.
from wfdb2dicom.conformance.standard import RULES_VERSION
from wfdb2dicom.checks.published_digests import find_sums


def tables_of(kind):
    """Input function: a table of every planned batch."""
    return lambda wildcards: [f"results/{kind}/{Path(receipt).name}" for receipt in planned_receipts(wildcards)]


def sums_of_source(wildcards):
    """The digests that the publisher of the WFDB tree gave."""
    try:
        return str(find_sums(config["wfdb_dir"]))
    except ConfigError as error:
        raise WorkflowError(str(error)) from None
