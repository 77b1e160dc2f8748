"""Which breaks to work on, and whose they are: filters, pages, and assigning, which decides nothing."""

from __future__ import annotations

import json
from datetime import timedelta

import psycopg
import pytest
from typer.testing import CliRunner

from services.reconciliation.adapters.break_queue import Wanted, queue
from services.reconciliation.app.assign_break import assign_break
from services.reconciliation.app.bulk_breaks import BulkAction, Selection, act_in_bulk, preview_bulk
from services.reconciliation.app.bulk_breaks import Wanted as Bulk
from services.reconciliation.app.resolve_break import propose_acceptance
from services.reconciliation.domain.break_life import BreakState
from services.reconciliation.entrypoints.cli import cli
from services.reconciliation.entrypoints.http_matching import break_view
from services.reconciliation.tests import deciding
from services.reconciliation.tests.three_legs import T0, World
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor
from shared.runtime.operator_tokens import OperatorRole

pytestmark = pytest.mark.db
ADA = Actor(name="ada", role="operator")
DIFFER = Wanted(kind="amount_mismatch")


@pytest.fixture
def world(desk):
    """Four differences of 1, 2, 2 and 4: two in a payout, one in another currency."""
    made = World(desk)
    for number, short, currency in ((1, 1, "EUR"), (2, 2, "EUR"), (3, 2, "USD"), (4, 4, "EUR")):
        made.captured(number, 1_000, currency=currency)
        payout = "po_1" if number < 3 else "po_2"
        made.line(f"l{number}", 1_000 - short, object_id=f"cap_{number}", currency=currency, payout_id=payout)
    made.match(as_of=T0 + timedelta(days=1))
    return made


def listed(desk, wanted=DIFFER, limit=10):
    found = desk.run(lambda uow: queue(uow.connection, uow.now, wanted, limit=limit))
    return [row["subject"].rsplit(":", 1)[1] for row in found.breaks], found.next_cursor


def the_break(world, line):
    ((break_id,),) = world.rows(
        "SELECT break_id FROM breaks WHERE subject = :subject", subject=f"line:alpha_report:{line}"
    )
    return break_id


def assign(desk, world, line, owner, actor=ADA):
    return desk.run(lambda uow: assign_break(the_break(world, line), owner, "hers", actor, uow))


def test_each_filter_leaves_what_fits_it(desk, world):
    everything = {"l1", "l2", "l3", "l4"}

    def found(**said):
        names, _ = listed(desk, Wanted(kind="amount_mismatch", **said))
        return set(names)

    assign(desk, world, "l2", "eve")
    assert found() == found(age_min_days=0) == found(at_risk_min_minor=0) == everything
    assert found(currency="USD") == {"l3"}
    assert found(owner="eve") == {"l2"}
    assert found(unowned=True) == everything - {"l2"}
    assert found(at_risk_min_minor=2) == everything - {"l1"}
    assert found(payout_id="po_1") == {"l1", "l2"}
    assert found(payout_id="po_9") == found(file_id="file_bank") == found(owner="ada") == set()
    assert found(file_id="file_alpha_report") == everything
    assert found(age_min_days=36_500) == set()
    assert found(states=(BreakState.RESOLVED,)) == set()
    assert found(currency="EUR", payout_id="po_1", at_risk_min_minor=2, owner="eve") == {"l2"}


def test_a_payout_that_is_short_is_found_by_its_name(desk, world):
    world.payout("po_1", 500)
    world.match(as_of=T0 + timedelta(days=30))
    names, _ = listed(desk, Wanted(payout_id="po_1", kind="missing_in_bank"))
    assert names == ["EUR"]


def test_pages_show_everything_once_the_most_money_at_risk_first(desk, world):
    whole, end = listed(desk)
    assert (whole[0], set(whole[1:3]), whole[3], end) == ("l4", {"l2", "l3"}, "l1", None)
    pages, cursor = [], None
    while True:
        names, cursor = listed(desk, Wanted(kind="amount_mismatch", cursor=cursor), limit=1)
        pages += names
        if cursor is None:
            break
    assert pages == whole
    assert listed(desk, limit=4)[1] is None
    for wrong in ("", "x", "5", f"5_{'brk_' + 'g' * 26}", f"{'f' * 20}_{'brk_' + '0' * 26}"):
        with pytest.raises(Rejected, match="next_cursor"):
            listed(desk, Wanted(cursor=wrong))


def test_money_at_risk_counts_in_major_units_whatever_decimals_its_currency_has(desk):
    world = World(desk)
    # 10,001 dollars, 10,000 yen, 9,999 of what nobody can count, 9,000 dinar, and a cent.
    short = {"KWD": 9_000_000, "XXJ": 999_900, "EUR": 1, "JPY": 10_000, "USD": 1_000_100}
    for number, (currency, minor) in enumerate(short.items()):
        world.captured(number, 10_000_000, currency=currency)
        world.line(currency, 10_000_000 - minor, object_id=f"cap_{number}", currency=currency)
    world.match(as_of=T0 + timedelta(days=1), tell=False)
    order = ["USD", "JPY", "XXJ", "KWD", "EUR"]
    assert listed(desk)[0] == order
    pages, cursor = [], None
    for _ in order:
        names, cursor = listed(desk, Wanted(kind="amount_mismatch", cursor=cursor), limit=1)
        pages += names
    assert (pages, cursor) == (order, None)


def test_assigning_says_whose_it_is_once_and_moves_nothing(desk, world):
    before = world.rows("SELECT break_id, state, changed_at FROM breaks ORDER BY 1")
    assert assign(desk, world, "l1", "eve").owner == "eve"
    assert assign(desk, world, "l1", "eve").owner == "eve"
    assert assign(desk, world, "l1", None).owner is None
    shown = desk.run(lambda uow: break_view(the_break(world, "l1"), uow))
    assert [(row["owner"], row["assigned_by"], row["reason"]) for row in shown["assignments"]] == [
        ("eve", "ada", "hers"),
        (None, "ada", "hers"),
    ]
    assert world.rows("SELECT break_id, state, changed_at FROM breaks ORDER BY 1") == before
    acts = [event for event in world.events("OperatorActed.v1") if event["action"] == "break_assigned"]
    assert [(act["target"], act["actor"]) for act in acts] == [(the_break(world, "l1"), "ada")] * 2


def test_a_proposal_that_was_read_is_the_same_whoever_owns_the_break(desk, world):
    break_id = the_break(world, "l1")
    desk.run(lambda uow: propose_acceptance(break_id, "a rounding", ADA, uow))
    read = deciding.proposal_of(world, break_id)
    assign(desk, world, "l1", "eve")
    assert deciding.approve(world, break_id, read=read).state == "RESOLVED"
    with pytest.raises(Rejected, match="nothing to work on"):
        assign(desk, world, "l1", "ada")


def test_many_are_assigned_as_they_were_seen(desk, world):
    assign(desk, world, "l1", "eve")
    selection = Selection(kind="amount_mismatch")

    def wanted(owner):
        return Bulk(action=BulkAction.ASSIGN, selection=selection, owner=owner)

    def act(owner, seen):
        return desk.run(lambda uow: act_in_bulk(wanted(owner), seen.preview, "hers", ADA, uow))

    seen = desk.run(lambda uow: preview_bulk(wanted("eve"), ADA, uow))
    assert sorted(row.refused or "" for row in seen.rows) == ["", "", "", "break_assigned_already"]
    for_ann = desk.run(lambda uow: preview_bulk(wanted("ann"), ADA, uow))
    with pytest.raises(Rejected) as refused:
        act("bob", for_ann)
    assert refused.value.code == "preview_stale"
    assert act("eve", seen) == seen
    assert world.rows("SELECT owner, count(*) FROM breaks WHERE type = 'amount_mismatch' GROUP BY 1") == [
        ("eve", 4)
    ]
    assert world.rows("SELECT count(*) FROM break_assignments") == [(4,)]
    with pytest.raises(Rejected) as refused:
        act("eve", seen)
    assert refused.value.code == "preview_stale"


def test_whose_a_break_was_stays(desk, world, app_sql):
    assign(desk, world, "l1", "eve")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_sql.execute("UPDATE break_assignments SET owner = 'ada'")


def test_over_http_and_in_the_terminal(office, world, terminal, operators):
    first = office.call("GET", "/breaks?kind=amount_mismatch&limit=1", role=OperatorRole.VIEWER).document
    rest = office.call("GET", f"/breaks?kind=amount_mismatch&cursor={first['next_cursor']}").document
    assert (len(first["data"]), len(rest["data"]), rest["next_cursor"]) == (1, 3, None)
    break_id = first["data"][0]["break_id"]
    assert office.decide(break_id, "assign", owner="eve").document["owner"] == "eve"
    assert office.call("GET", "/breaks?owner=eve").document["data"][0]["break_id"] == break_id
    for wrong in ("owner=", "age_min_days=-1", "currency=eur", "file_id=x", "cursor=x", "of_no_name=1"):
        refused = office.call("GET", f"/breaks?{wrong}")
        assert refused.status in {400, 422}, wrong

    def typed(*words):
        done = CliRunner().invoke(cli, ["breaks", *words, "--json"], env=terminal)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    who = ("--token-file", operators("ada"), "--reason", "hers")
    assert typed("assign", break_id, *who)["owner"] is None
    page = typed("list", "--kind", "amount_mismatch", "--unowned", "--limit", "3")
    assert len(page["data"]) == 3
    assert len(typed("list", "--unowned", "--cursor", page["next_cursor"])["data"]) == 1
    seen = typed("bulk", "assign", *who, "--owner", "eve", "--kind", "amount_mismatch")
    typed("bulk", "assign", *who, "--owner", "eve", "--kind", "amount_mismatch", "--preview", seen["preview"])
    assert world.rows("SELECT DISTINCT owner FROM breaks WHERE type = 'amount_mismatch'") == [("eve",)]
