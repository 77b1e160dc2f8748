"""What stands, page by page: all of it once, over HTTP and in the terminal, and the same keys wherever it is asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from services.ledger.app.pages import BY_ACCOUNT, Place
from services.ledger.app.pages import CURSOR_MAX as PLACES_MAX
from services.ledger.app.statements import CURSOR_MAX as SUMS_MAX
from services.ledger.app.statements import Cursor
from services.ledger.bootstrap import build
from services.ledger.entrypoints.cli import cli
from services.ledger.settings import LedgerSettings
from services.ledger.tests import report
from services.ledger.tests.payloads import Payment
from shared.runtime.card_numbers import has_card_number
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, new_key_pair
from shared.runtime.settings import load_settings

pytestmark = pytest.mark.db
AT = "2026-11-01T00:00:00Z"
KEYS = new_key_pair()
TOKEN = {"Authorization": f"Bearer {TokenIssuer(KEYS[0]).operator('ada', OperatorRole.VIEWER)}"}
#: Each with the name of its list and the command that shows the same.
PATHS = [
    ("/open-items", "data", "open-items"),
    ("/clearing", "keys", "clearing"),
    ("/negative-balances", "data", "negative"),
]


@pytest.fixture
def told(ledger):
    """Many of one transaction, so of one moment, and some of later ones; in two currencies."""
    ledger.tell(*(Payment(n, merchant=n, currency="USD").refund_requested(10 + n) for n in range(1, 5)))
    ledger.tell(*(Payment(n, merchant=n % 3).refund_requested(20 + n) for n in range(5, 10)))
    ledger.tell(Payment(10, merchant=1).refund_requested(30))
    return ledger


@pytest.fixture
def client(ledger_urls):
    environment = {"LEDGER_DATABASE_URL": ledger_urls.app, "LEDGER_OPERATOR_PUBLIC_KEY": KEYS[1]}
    runtime = build(load_settings(LedgerSettings, environment))
    try:
        with TestClient(runtime.make_app()) as served:
            yield served
    finally:
        runtime.close()


def asked(client, path, **params):
    return client.get(path, params=params, headers=TOKEN)


def without_age(rows):
    return [{name: value for name, value in row.items() if name != "age_s"} for row in rows]


@pytest.mark.parametrize(("path", "name", "command"), PATHS)
@pytest.mark.parametrize("limit", [1, 3])
def test_pages_show_everything_once_and_in_order(told, client, path, name, command, limit):
    whole = asked(client, path, limit=100).json()
    assert (len(whole[name]) > 5, whole["next_cursor"]) == (True, None)
    shown, cursor = [], {}
    for _ in whole[name]:
        page = asked(client, path, limit=limit, **cursor).json()
        assert len(page[name]) <= limit
        assert page.get("totals") == whole.get("totals")
        shown += page[name]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    else:
        assert asked(client, path, limit=limit, **cursor).json()[name] == []
    assert without_age(shown) == without_age(whole[name])


@pytest.mark.parametrize(("path", "name", "command"), PATHS)
def test_what_is_gone_meanwhile_moves_nothing(told, client, path, name, command):
    before = without_age(asked(client, path, limit=100).json()[name])
    page = asked(client, path, limit=2).json()
    told.tell(Payment(1, merchant=1, currency="USD").refund_failed(11))
    behind = asked(client, path, limit=100, cursor=page["next_cursor"]).json()[name]
    assert without_age(behind) == before[2:]


@pytest.mark.parametrize(("path", "name", "command"), PATHS)
@pytest.mark.parametrize(
    "cursor",
    ["x", f"{AT}_EURO_a", f"{AT}_-1_a", f"{AT}__", f"{AT}_1_ä", f"{AT[:-1]}_1_a", "2026-13-01T00:00:00Z_1_a"],
)
def test_a_cursor_that_no_page_said_is_refused_with_its_field(told, client, path, name, command, cursor):
    reply = asked(client, path, cursor=cursor)
    assert (reply.status_code, reply.json()["param"]) == (422, "cursor")


def cards(texts):
    return [text for text in texts if has_card_number(text)]


def test_no_cursor_is_refused_as_a_card_number():
    """An address with one is, and of plain microseconds every tenth would be, or of a processor's ids or long sums."""
    at = datetime(2026, 11, 1, tzinfo=UTC)
    places = [Place(at + timedelta(microseconds=7_919 * nth), "17", "re_1") for nth in range(1_000)]
    texts = [
        "4111111111111111",
        "4111-1111-1111-1111",
        "line:alpha:3782-822463-10005",
        "~4~.~~1~",
        "~" * 512,
        "1" * 512,
    ]
    keys = [*texts, *(f"adyen:main:{8_835_000_000_000_000 + 7_919 * nth}" for nth in range(1_000))]
    places += [Place(at, "17", key) for key in keys]
    assert not cards(place.written() for place in places)
    assert [Place.read(place.written(), BY_ACCOUNT) for place in places] == places
    sums = [
        Cursor(as_of=9, at=at, seal_position=7, line=1, balance_minor=10**15 - 7_919 * nth)
        for nth in range(1_000)
    ]
    sums.append(
        Cursor(as_of=10**17, at=places[1].since, seal_position=10**17, line=2**15, balance_minor=-(10**29))
    )
    assert not cards(cursor.written() for cursor in sums)
    assert [Cursor.read(cursor.written()) for cursor in sums] == sums
    assert max(len(cursor.written()) for cursor in sums) <= SUMS_MAX
    assert max(len(place.written()) for place in places) <= PLACES_MAX


def test_a_key_that_looks_like_a_card_number_ends_no_list(ledger, client):
    """Found by what was shown before it, and a line by what its report calls it."""
    for line_id in ("4111111111111111", "5555555555554444", "last"):
        ledger.tell(report.accepted(line_id, "charge", 500))
    shown, cursor = [], {}
    while cursor is not None:
        page = asked(client, "/open-items", family="processor_receivable", limit=1, **cursor).json()
        shown += [item["clearing_key"] for item in page["data"]]
        cursor = page["next_cursor"] and {"cursor": page["next_cursor"]}
    assert shown == [report.line_key(name) for name in ("4111111111111111", "5555555555554444", "last")]


def test_a_cursor_of_another_list_is_refused(told, client):
    of_items = asked(client, "/open-items", limit=1).json()["next_cursor"]
    of_debts = asked(client, "/negative-balances", limit=1).json()["next_cursor"]
    assert asked(client, "/negative-balances", cursor=of_items).status_code == 422
    assert asked(client, "/open-items", cursor=of_debts).status_code == 422


@pytest.mark.parametrize(("path", "name", "command"), PATHS)
def test_the_terminal_goes_on_where_a_page_ended(told, client, ledger_urls, path, name, command):
    environment = {"LEDGER_DATABASE_URL": ledger_urls.app}
    first = asked(client, path, limit=2).json()
    cursor = first["next_cursor"]
    shown = CliRunner().invoke(cli, [command, "--limit", "2", "--json"], env=environment)
    assert (shown.exit_code, f"--cursor {cursor}" in shown.stderr or cursor in shown.stdout) == (0, True)
    following = CliRunner().invoke(cli, [command, "--cursor", cursor, "--json"], env=environment)
    found = json.loads(following.stdout)
    rows = found if isinstance(found, list) else found.get("keys", found.get("balances"))
    theirs = asked(client, path, limit=100, cursor=cursor).json()[name]
    assert [row["balance_minor"] for row in rows] == [row["balance_minor"] for row in theirs]
    wrong = CliRunner().invoke(cli, [command, "--cursor", "x"], env=environment)
    assert (wrong.exit_code, "next_cursor" in wrong.output) == (1, True)


def test_open_items_name_a_line_by_the_object_that_it_was_matched_to(ledger, client):
    payment = Payment(1)
    ledger.tell(payment.captured(10_000), report.accepted("1", "charge", 9_000))
    ledger.tell(report.matched("1", payment, "cap", 9_000))

    def open_items():
        found = asked(client, "/open-items", family="processor_receivable").json()["data"]
        return [(item["clearing_key"], item["balance_minor"]) for item in found]

    assert open_items() == [(report.object_key("cap_1_0"), 1_000)]
    ledger.tell(report.unmatched("1", payment, "cap", 9_000))
    assert sorted(open_items()) == [(report.object_key("cap_1_0"), 10_000), (report.line_key("1"), -9_000)]


def test_entries_of_a_payment_in_the_terminal_leave_none_out(ledger, ledger_urls):
    payment = Payment(1)
    ledger.tell(payment.captured(10_000, 300), payment.refund_requested(4_000))
    environment, command = {"LEDGER_DATABASE_URL": ledger_urls.app}, ["entries", payment.payment_id, "--json"]
    whole = json.loads(CliRunner().invoke(cli, command, env=environment).stdout)
    pages, going_on = [], []
    while going_on is not None:
        page = CliRunner().invoke(cli, [*command, "--limit", "2", *going_on], env=environment)
        pages += json.loads(page.stdout)
        more = page.stderr.partition("There is more: ")[2].split()
        going_on = more or None
    assert (len(whole) > 4, pages) == (True, whole)
