"""Lead names and codes: those of CID 3001, in every spelling in use, and what becomes of others."""

import pytest
from pydicom.sr._concepts_dict import concepts

from wfdb2dicom.dicom import leads
from wfdb2dicom.errors import LeadError

CID_3001 = {
    code: meaning
    for forms in concepts["MDC"].values()
    for code, (meaning, groups) in forms.items()
    if 3001 in groups
}  # fmt: skip


def test_every_code_is_one_of_cid_3001_with_its_meaning() -> None:
    for lead in leads.LEADS:
        meaning = CID_3001[lead.code]
        if lead.label.startswith("aV"):  # the one deviation: four viewers print or sort by the long text
            assert meaning.startswith(f"{lead.label}, augmented voltage") and lead.meaning == f"Lead {lead.label}"
        else:
            assert lead.meaning == meaning


def test_no_label_stands_for_two_leads() -> None:
    labels = [lead.label.lower() for lead in leads.LEADS]
    assert len(labels) == len(set(labels))


def test_the_twelve_leads_have_the_codes_of_the_standard() -> None:
    codes = [leads.find(label).code for label in leads.STANDARD_ORDER]
    assert codes == ["2:1", "2:2", "2:61", "2:62", "2:63", "2:64", "2:3", "2:4", "2:5", "2:6", "2:7", "2:8"]


@pytest.mark.parametrize(
    ("name", "label", "code"),
    [
        ("avr", "aVR", "2:62"),
        ("AVF", "aVF", "2:64"),
        ("iii", "III", "2:61"),
        ("vx", "X", "2:16"),
        ("Z", "Z", "2:18"),
        ("V3R", "V3R", "2:11"),
        ("v9r", "V9R", "2:69"),
        ("V9", "V9", "2:67"),
        ("MLII", "MLII", "2:126"),
        ("V", "V", "2:87"),
        ("MCL1", "MCL1", "2:92"),
        ("CM5", "CM5", "2:20"),
        ("Lead I", "I", "2:1"),
        ("lead AVR", "aVR", "2:62"),
    ],
)
def test_names_in_use_are_found(name: str, label: str, code: str) -> None:
    lead = leads.find(name)
    assert (lead.label, lead.code) == (label, code)


@pytest.mark.parametrize("name", ["ECG 1", "V10", "aVX", "", "I II"])
def test_an_unknown_lead_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(LeadError, match=f"'{name}'"):
        leads.find(name)


def test_an_unknown_lead_is_an_unspecified_one_with_its_name_on_request() -> None:
    assert leads.find("ECG 1", "local") == ("ECG 1", "2:0", "Unspecified lead", "")
    assert leads.find("II", "local") == leads.find("II")
    assert CID_3001["2:0"] == "Unspecified lead"


@pytest.mark.parametrize("name", ["", "a\\b", "x" * 17, "a\tb"])
def test_the_name_of_an_unspecified_lead_must_fit_its_attribute(name: str) -> None:
    with pytest.raises(LeadError, match="1 to 16"):
        leads.find(name, "local")


@pytest.mark.parametrize("unknown", ["error", "local"])
@pytest.mark.parametrize("name", ["PLETH", "Pleth", "ABP", "RESP", "HR", "ABP1", "etCO2", "Resp 2"])
def test_what_is_no_ecg_is_refused_by_name_in_any_case(name: str, unknown: str) -> None:
    with pytest.raises(LeadError, match=f"'{name}' is not an ECG"):
        leads.find(name, unknown)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *[("lead_I", "I"), ("ECG I", "I"), ("ECG lead II", "II"), ("EKG II", "II"), ("DI", "I"), ("DIII", "III")],
        *[("V 1", "V1"), ("V_6", "V6"), ("MDC_ECG_LEAD_AVR", "aVR"), ("MDC_ECG_LEAD_V1", "V1"), ("aVR ", "aVR")],
        *[("EKG_lead_aVF", "aVF"), ("ecg mlii", "MLII")],
    ],
)
def test_leads_are_known_as_collections_spell_them(name: str, expected: str) -> None:
    assert leads.find(name).label == expected
    assert not leads.is_other(name)


@pytest.mark.parametrize("name", ["-aVR", "V1-V2", "CH1", "ECG", "ECG 1", "EKG", "lead", "V 0", "D", "ECGII"])
def test_other_names_stay_unknown(name: str) -> None:
    assert not leads.is_known(name)
    with pytest.raises(LeadError):
        leads.find(name)


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["ECG", "ECG"], ["ECG 1", "ECG 2"]),
        (["ECG", "ecg", "avr", "ECG 1"], ["ECG 2", "ecg 3", "aVR", "ECG 1"]),
        (["ECG", "CH1"], ["ECG", "CH1"]),
    ],
)
def test_equal_names_that_are_not_a_lead_are_numbered(names: list[str], labels: list[str]) -> None:
    assert [lead.label for lead in leads.find_all(names, "local")] == labels == leads.labels(names)


def test_a_lead_that_appears_twice_is_refused_also_where_others_are_numbered() -> None:
    with pytest.raises(LeadError, match="lead II appears twice"):
        leads.find_all(["ECG", "ECG", "II", "ii"], "local")
    with pytest.raises(LeadError, match="signal 'ECG' is not a lead"):
        leads.find_all(["ECG", "ECG"])
