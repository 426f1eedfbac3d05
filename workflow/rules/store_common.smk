# The archive of the configuration, and input functions of the rules that send to it.
from wfdb2dicom.archive.sent_table import resend_token
from wfdb2dicom.archive.settings import parse_archive

STORE = Path("results/store")


def checked_archive():
    """The configuration key archive, checked before any work."""
    try:
        parse_archive(config["archive"])
    except ConfigError as error:
        raise WorkflowError(str(error)) from None
    return json.dumps(config["archive"], sort_keys=True)


ARCHIVE = checked_archive()


def receipt_to_store(wildcards):
    """The receipt of a batch, if there is an archive."""
    if not config["archive"]:
        raise WorkflowError(
            "archive: the target store sends to a DICOM archive, and none is configured: "
            'write archive: {url: "https://…/dicom-web"} or archive: {host: …, port: …, aet: …}, see docs/archive.md'
        )
    return f"{RECEIPTS}/{wildcards.batch}.tsv"


@cache
def store_token(batch):
    """A new one when the archive did not take all objects of a batch, see wfdb2dicom.archive.sent_table."""
    return resend_token(STORE / f"{batch}.tsv")


def stored_batches(wildcards):
    """The tables of all batches, once they are planned."""
    return [str(STORE / Path(receipt).name) for receipt in planned_receipts(wildcards)]
