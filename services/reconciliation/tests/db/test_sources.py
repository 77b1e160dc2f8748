"""Sources on a real database: one per account, whose money never changes, and every declaration audited."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from services.reconciliation.adapters.sources import list_sources
from services.reconciliation.app.declare_source import declare_source
from services.reconciliation.domain.sources import Format, Source, SourceKind
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor
from shared.testing.waiting import eventually

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

WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


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


@pytest.mark.parametrize(("name", "code"), [("alpha", None), ("alpha_again", "account_has_a_source")])
def test_two_declarations_at_once_take_turns(desk, name, code):
    declared, met, ended = threading.Event(), threading.Event(), []

    def first(uow):
        declare_source(REPORT, "a test", ADA, FORMATS, uow)
        declared.set()
        assert met.wait(30)

    def run(work):
        try:
            ended.append(desk.run(work))
        except Exception as error:  # noqa: BLE001 - shown below
            ended.append(error)

    holder = threading.Thread(target=run, args=(first,))
    holder.start()
    assert declared.wait(30)
    second = dataclasses.replace(REPORT, source=name)
    waiter = threading.Thread(
        target=run, args=(lambda uow: declare_source(second, "a test", ADA, FORMATS, uow),)
    )
    waiter.start()
    eventually(lambda: desk.rows(WAITING) == [(1,)])
    met.set()
    holder.join(30)
    waiter.join(30)
    assert ended[0] is None
    assert getattr(ended[1], "code", None) == code, ended
    assert desk.rows("SELECT count(*) FROM sources") == [(1,)]
