"""Closing by command line and over HTTP, and a closed month as JSON and CSV: the same bytes however often it is asked."""

from __future__ import annotations

import itertools
import json

import pytest
from typer.testing import CliRunner

from services.reconciliation.bootstrap import build
from services.reconciliation.entrypoints.cli import cli
from services.reconciliation.settings import ReconciliationSettings
from services.reconciliation.tests.months import JANUARY, Shop
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, new_key_pair
from shared.runtime.settings import load_settings
from shared.testing.serving import served

TABLES = ("rolls", "positions", "breaks", "late", "files", "days", "explained")


@pytest.fixture
def shop(desk):
    made = Shop(desk)
    made.january()
    return made


@pytest.fixture
def command(terminal):
    def run(*arguments, exit_code=0):
        done = CliRunner().invoke(cli, [*arguments], env=terminal)
        assert done.exit_code == exit_code, done.output
        return done.output

    return run


def test_two_people_close_a_month_by_command_line_and_export_it(shop, command, operators, tmp_path):
    ada, bob = operators("ada"), operators("bob")
    proposed = json.loads(
        command("periods", "propose", "2026-01", "--token-file", ada, "--reason", "over", "--json")
    )
    by = ("--token-file", ada, "--reason", "seen")
    command("periods", "approve", proposed["close_id"], *by, exit_code=1)
    command("periods", "approve", proposed["close_id"], "--token-file", bob, "--reason", "seen")
    [listed] = json.loads(command("periods", "list", "--json"))
    assert (listed["period"], listed["proposed_by"], listed["approved_by"]) == ("2026-01", "ada", "bob")
    assert "processor" in command("periods", "show", "2026-01")
    written = []
    for folder in ("one", "two"):
        command("periods", "export", "2026-01", "--out", str(tmp_path / folder))
        written.append({path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()})
        shop.february()
    assert written[0] == written[1]
    assert set(written[0]) == {"2026-01.json", *(f"2026-01-{table}.csv" for table in TABLES)}
    assert written[0]["2026-01-rolls.csv"].splitlines()[0] == (
        b"leg,account,currency,opening_minor,ours_minor,theirs_minor,closing_minor,timing_minor,broken_minor,"
        b"accepted_minor"
    )
    assert b"processor,alpha:acct_1,EUR,0,17500,16900,600,0,600,0" in written[0]["2026-01-rolls.csv"]
    document = json.loads(written[0]["2026-01.json"])
    assert document["digest"] == proposed["digest"]
    assert set(document["tables"]) == set(TABLES)


def test_two_people_close_a_month_over_http(shop, reconciliation_urls):
    private, public = new_key_pair()
    environment = {
        "RECONCILIATION_DATABASE_URL": reconciliation_urls.app,
        "RECONCILIATION_OPERATOR_PUBLIC_KEY": public,
    }
    runtime = build(load_settings(ReconciliationSettings, environment))
    issuer, numbers = TokenIssuer(private), itertools.count()
    with served(runtime.make_app()) as server:

        def call(method, path, body=None, who="ada", role=OperatorRole.OPERATOR):
            headers = {
                "Authorization": f"Bearer {issuer.operator(who, role)}",
                "Idempotency-Key": f"k-{next(numbers)}",
            }
            return server.call(method, path, body, headers)

        proposed = call("POST", "/period-closes", {"period": "2026-01", "reason": "over"})
        assert proposed.status == 201
        path = f"/period-closes/{json.loads(proposed.body)['close_id']}"
        own = call("POST", f"{path}/approve", {"reason": "x"}, role=OperatorRole.APPROVER)
        assert (own.status, json.loads(own.body)["code"]) == (403, "four_eyes")
        assert call("GET", "/periods/2026-01").status == 404
        done = call("POST", f"{path}/approve", {"reason": "x"}, who="bob", role=OperatorRole.APPROVER)
        assert (done.status, json.loads(done.body)["state"]) == (200, "APPROVED")
        assert call("GET", "/periods/2026-01").body == call("GET", "/periods/2026-01").body
        assert call("GET", "/periods/2026-01/rolls.csv").body.startswith(b"leg,account,currency,")
        assert call("GET", "/periods/2026-01/other.csv").status == 422
        assert len(json.loads(call("GET", "/period-closes").body)["data"]) == 1
        assert call("GET", "/days?first_day=2026-01-01&last_day=2026-01-31").status == 200
    runtime.close()
    assert shop.rolls(JANUARY)["processor"][0] == (0, 17_500, 16_900, 600)
