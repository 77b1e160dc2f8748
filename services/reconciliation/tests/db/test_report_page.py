"""The report page: the picture's figures, one file that loads nothing, and nothing that a file says becomes markup."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta

import pytest
from typer.testing import CliRunner

from services.reconciliation.adapters.day_pictures import day_pictures
from services.reconciliation.adapters.report_figures import report_figures
from services.reconciliation.adapters.report_page import report_page
from services.reconciliation.bootstrap import build
from services.reconciliation.domain.pictures import Band
from services.reconciliation.entrypoints.cli import cli
from services.reconciliation.settings import ReconciliationSettings
from services.reconciliation.tests.months import JANUARY, Shop
from services.reconciliation.tests.three_legs import T0, World
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, new_key_pair
from shared.runtime.settings import load_settings
from shared.testing.serving import served

LOST = T0 + timedelta(days=20)
DAY = date(2026, 11, 2)


@pytest.fixture
def world(desk):
    """One day: 1000 matched, 300 that will come, 50 too little of 700, a line of nobody's, one late and lost."""
    made = World(desk)
    for number, amount in ((1, 1000), (2, 700)):
        made.captured(number, amount)
    made.captured(3, 300, at=LOST)
    made.captured(4, 40)
    made.line("a", 1000, object_id="cap_1")
    made.line("b", 650, object_id="cap_2")
    made.line("c", 9, object_id="<script>alert(1)</script>")
    made.payout("po_1", 1659)
    made.bank_line("x", 1659, "ref_po_1")
    made.match(as_of=LOST)
    return made


def pictures(world, first=DAY, last=DAY):
    return world.desk.run(lambda uow: day_pictures(uow.connection, first, last))


def test_each_amount_of_a_day_is_in_one_band(world):
    [picture] = pictures(world)
    assert picture.minor == {Band.MATCHED: 1000, Band.BROKEN: 700 + 9 + 40}
    [later] = pictures(world, LOST.date(), LOST.date())
    assert later.minor == {Band.TIMING: 300}
    assert pictures(world, date(2026, 10, 1), date(2026, 10, 31)) == []


def test_the_page_by_command_line_is_one_file_that_loads_nothing_and_escapes_everything(
    world, reconciliation_urls, tmp_path
):
    out = tmp_path / "report.html"
    with world.desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE sources SET declared_by = 'ada'")
    environment = {"RECONCILIATION_DATABASE_URL": reconciliation_urls.app}
    arguments = [
        "report",
        "--out",
        str(out),
        "--first-day",
        "2026-11-01",
        "--last-day",
        "2026-11-30",
        "--json",
    ]
    made = CliRunner().invoke(cli, arguments, env=environment)
    assert made.exit_code == 0, made.output
    page = out.read_text()
    assert json.loads(made.output)["bytes"] == len(page.encode())
    assert not re.search(r"""<(script|link|img|iframe|object)|src=|href=|@import|https?://""", page)
    assert "@media print" in page
    assert "processor_success_internal_missing" in page
    assert page.count('<rect class="broken"') == 1
    assert "10.00" in page
    assert "7.49" in page


def test_the_report_of_a_closed_month_shows_the_breaks_that_stood_at_its_close(desk):
    shop = Shop(desk)
    shop.january()
    shop.sold(9, 40, 1, 5)

    def page(first=date(2026, 1, 1), last=date(2026, 1, 31)):
        figures = desk.run(lambda uow: report_figures(uow.connection, uow.now, first, last))
        text = report_page(figures)
        return figures, text[text.index("<h2>Breaks") : text.index("<h2>Files")]

    shop.match()
    open_month, shown_before = page()
    assert open_month.closed is None
    assert "Breaks that stand now" in shown_before
    shop.close(JANUARY)
    closed, shown = page()
    assert "Breaks that stood when 2026-01 was closed" in shown
    # The ledger of this test books nothing.
    of_money = [row for row in closed.breaks if row["type"] != "unposted"]
    assert [(row["type"], row["at_risk_minor"]) for row in of_money] == [
        ("internal_success_processor_failure", 500), ("amount_mismatch", 100),
        ("internal_success_processor_failure", 40),
    ]  # fmt: skip
    # Whatever comes later: one is settled, one corrected, and a new one stands.
    shop.reported("po_january", (1, 14), (1, 10_000, (1, 10)), (2, 7_000, (1, 11)))
    shop.february()
    shop.sold(11, 77, 1, 6)
    shop.match()
    assert page()[0].breaks != page(last=date(2026, 2, 28))[0].breaks
    after, still_shown = page()
    assert still_shown == shown
    assert after.breaks_by_type == closed.breaks_by_type
    assert "Breaks that stand now" in page(last=date(2026, 2, 28))[1]


def test_what_a_file_says_never_becomes_markup(world, reconciliation_urls, tmp_path):
    with world.desk.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO report_files (file_id, source, sha256, name, byte_count, state, received_at, received_by)"
            " VALUES ('file_z', 'bank', sha256('z'), '<img src=x onerror=alert(1)>', 1, 'RECEIVED',"
            " '2026-11-02 10:00+00', 'eve')"
        )
    out = tmp_path / "report.html"
    arguments = ["report", "--out", str(out), "--first-day", "2026-11-02", "--last-day", "2026-11-02"]
    made = CliRunner().invoke(cli, arguments, env={"RECONCILIATION_DATABASE_URL": reconciliation_urls.app})
    assert made.exit_code == 0, made.output
    assert "<img" not in out.read_text()
    assert "&lt;img src=x onerror=alert(1)&gt;" in out.read_text()


def test_the_page_over_http_needs_a_viewer_and_days_in_order(world, reconciliation_urls):
    private, public = new_key_pair()
    environment = {
        "RECONCILIATION_DATABASE_URL": reconciliation_urls.app,
        "RECONCILIATION_OPERATOR_PUBLIC_KEY": public,
    }
    runtime = build(load_settings(ReconciliationSettings, environment))
    token = TokenIssuer(private).operator("vera", OperatorRole.VIEWER)
    path = "/report?first_day=2026-11-01&last_day={}"
    with served(runtime.make_app()) as server:
        assert server.call("GET", path.format("2026-11-30"), None, {}).status == 401
        allowed = {"Authorization": f"Bearer {token}"}
        shown = server.call("GET", path.format("2026-11-30"), None, allowed)
        refused = server.call("GET", path.format("2026-10-30"), None, allowed)
    runtime.close()
    assert shown.status == 200
    assert shown.body.startswith(b"<!doctype html>")
    assert (refused.status, json.loads(refused.body)["code"]) == (400, "days_invalid")
