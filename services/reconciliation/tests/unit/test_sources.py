"""Which sources may be declared: whose money, in a format that can be read, once."""

from __future__ import annotations

import dataclasses

import pytest

from services.reconciliation.domain.sources import OPTIONS_MAX, Format, Source, SourceKind, check_source
from shared.kernel.errors import Rejected

FORMATS = {
    "report_csv": Format("settlement", {"encoding", "time_zone"}),
    "statement_xml": Format("bank", {"account_number"}),
}
REPORT = Source(
    source="alpha", kind=SourceKind.SETTLEMENT, format="report_csv", processor="alpha", account="acct_1", options={}
)  # fmt: skip
STATEMENT = Source(
    source="bank", kind=SourceKind.BANK, format="statement_xml", bank_account="bank_eur", options={}
)


@pytest.mark.parametrize("source", [REPORT, STATEMENT], ids=["report", "statement"])
def test_a_source_of_either_kind_is_taken(source):
    check_source(source, FORMATS)


@pytest.mark.parametrize(
    ("source", "changes", "field"),
    [
        (REPORT, {"source": "Alpha"}, "source"),
        (REPORT, {"source": ""}, "source"),
        (REPORT, {"format": "unknown"}, "format"),
        (REPORT, {"format": "statement_xml"}, "kind"),
        (REPORT, {"processor": None}, "processor"),
        (REPORT, {"processor": "al pha"}, "processor"),
        (REPORT, {"account": None}, "account"),
        (REPORT, {"account": "x" * 65}, "account"),
        (REPORT, {"bank_account": "bank_eur"}, "bank_account"),
        (REPORT, {"options": {str(number): "" for number in range(OPTIONS_MAX + 1)}}, "options"),
        (REPORT, {"options": {"encoding": "utf-8", "time_zome": "Europe/Berlin"}}, "options.time_zome"),
        (STATEMENT, {"options": {"encoding": "utf-8"}}, "options.encoding"),
        (STATEMENT, {"format": "report_csv"}, "kind"),
        (STATEMENT, {"bank_account": None}, "bank_account"),
        (STATEMENT, {"bank_account": "DE89 3704"}, "bank_account"),
        (STATEMENT, {"processor": "alpha"}, "processor"),
        (STATEMENT, {"account": "acct_1"}, "account"),
    ],
)
def test_a_source_that_means_nothing_is_refused_naming_the_field(source, changes, field):
    with pytest.raises(Rejected) as refused:
        check_source(dataclasses.replace(source, **changes), FORMATS)
    assert (refused.value.code, refused.value.param) == ("source_invalid", field)


def test_a_mistyped_option_is_refused_with_the_names_that_are_known():
    mistyped = dataclasses.replace(REPORT, options={"time_zome": "Europe/Berlin"})
    with pytest.raises(Rejected, match=r"options\.time_zome: expected one of encoding, time_zone"):
        check_source(mistyped, FORMATS)
