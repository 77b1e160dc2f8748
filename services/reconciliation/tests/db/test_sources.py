"""Sources on a real database: one per account, whose money never changes, and every declaration audited."""

from __future__ import annotations

import dataclasses

import pytest

from services.reconciliation.adapters.sources import list_sources
from services.reconciliation.app.declare_source import declare_source
from services.reconciliation.domain.sources import Format, Source, SourceKind
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor

pytestmark = pytest.mark.db
FORMATS = {
    "report_csv": Format("settlement", ()),
    "other_csv": Format("settlement", {"separator"}),
    "statement_xml": Format("bank", ()),
}
ADA = Actor(name="ada", role="operator")
REPORT = Source(
    source="alpha", kind=SourceKind.SETTLEMENT, format="report_csv", processor="alpha", account="acct_1", options={}
)  # fmt: skip


def declare(desk, source):
    return desk.run(lambda uow: declare_source(source, "a test", ADA, FORMATS, uow))


def test_a_source_is_declared_and_read_in_another_way_later(desk):
    declare(desk, REPORT)
    changed = dataclasses.replace(REPORT, format="other_csv", options={"separator": ";"})
    declare(desk, changed)
    assert desk.run(lambda uow: list_sources(uow.connection)) == [changed]
    told = desk.rows("SELECT key, convert_from(payload, 'UTF8')::jsonb ->> 'action' FROM outbox")
    assert told == [("source:alpha", "source_declared")] * 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"account": "acct_2"}, "source_is_anothers"),
        ({"processor": "beta"}, "source_is_anothers"),
        ({"source": "alpha_again"}, "account_has_a_source"),
    ],
)
def test_no_account_is_told_of_twice_and_no_source_changes_its_account(desk, changes, code):
    declare(desk, REPORT)
    with pytest.raises(Rejected) as refused:
        declare(desk, dataclasses.replace(REPORT, **changes))
    assert refused.value.code == code
    assert desk.rows("SELECT count(*) FROM sources") == [(1,)]
