"""Files by API, command line and watched folder: streamed in, limited, deduplicated, shown, given back byte for byte."""

from __future__ import annotations

import itertools
import json

import pytest
from typer.testing import CliRunner

from services.reconciliation.adapters.readers import READERS
from services.reconciliation.bootstrap import build
from services.reconciliation.entrypoints.cli import cli
from services.reconciliation.entrypoints.worker import stage_one
from services.reconciliation.settings import ReconciliationSettings
from services.reconciliation.tests.reports import declare, payout, report
from services.reconciliation.tests.writers import tieout_row
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, new_key_pair
from shared.runtime.settings import load_settings
from shared.testing.serving import served

pytestmark = pytest.mark.db
ONE = report(payout("po_1", (1, {}), (2, {})))
LIMIT = 200_000
SOURCE = {
    "source": "alpha", "format": "tieout_csv", "processor": "alpha", "account": "acct_1", "reason": "a test",
}  # fmt: skip


class Office:
    """Operators with tokens, each with keys of their own."""

    def __init__(self, server, private_key):
        self.server, self._issuer, self._numbers = server, TokenIssuer(private_key), itertools.count()

    def call(self, method, path, body=None, *, role=OperatorRole.OPERATOR):
        return self.server.call(method, path, body, self.headers(role))

    def headers(self, role=OperatorRole.OPERATOR):
        return {
            "Authorization": f"Bearer {self._issuer.operator('ada', role)}",
            "Idempotency-Key": f"k-{next(self._numbers)}",
        }

    def upload(self, content, name="report.csv", source="alpha", **more):
        return self.call("POST", f"/sources/{source}/files?name={name}", content, **more)


def settings(urls, **more):
    private, public = new_key_pair()
    environment = {
        "RECONCILIATION_DATABASE_URL": urls.app,
        "RECONCILIATION_OPERATOR_PUBLIC_KEY": public,
        "RECONCILIATION_FILE_BYTES_MAX": str(LIMIT),
        **more,
    }
    return private, load_settings(ReconciliationSettings, environment)


@pytest.fixture
def office(reconciliation_urls):
    private, loaded = settings(reconciliation_urls)
    runtime = build(loaded)
    try:
        with served(runtime.make_app()) as server:
            yield Office(server, private)
    finally:
        runtime.close()


def test_a_source_is_declared_and_a_file_uploaded_once(office, desk):
    assert office.call("POST", "/sources", SOURCE).status == 201
    first = office.upload(ONE)
    again = office.upload(ONE)
    assert (first.status, again.status) == (201, 200)
    assert again.document == first.document
    assert (first.document["state"], first.document["received_by"]) == ("RECEIVED", "ada")
    while stage_one(READERS, desk.transactions):
        pass
    shown = office.call("GET", f"/files/{first.document['id']}", role=OperatorRole.VIEWER).document
    assert (shown["state"], shown["line_count"], shown["control_totals"][0]["holds"]) == ("STAGED", 3, True)
    listed = office.call("GET", "/files?state=STAGED", role=OperatorRole.VIEWER).document["data"]
    assert [file["id"] for file in listed] == [first.document["id"]]
    assert office.call("GET", "/sources/alpha").document["format"] == "tieout_csv"


def test_the_bytes_come_back_as_they_went_in(office, desk):
    declare(desk)
    content = bytes(range(256)) * 780
    file = office.upload(content).document
    back = office.call("GET", f"/files/{file['id']}/content", role=OperatorRole.VIEWER)
    assert back.body == content
    assert back.headers["etag"] == f'"{file["sha256"]}"'


def test_a_body_larger_than_any_other_route_takes_is_streamed_and_limited(office, desk):
    declare(desk)
    assert office.upload(b"x" * LIMIT).status == 201
    refused = office.upload(b"x" * (LIMIT + 1))
    assert (refused.status, refused.code) == (413, "file_too_large")
    assert office.call("POST", "/sources", b"x" * LIMIT).status == 413
    assert desk.rows("SELECT count(*) FROM report_files") == [(1,)]


def test_a_body_that_stops_half_way_leaves_nothing(office, desk):
    declare(desk)
    with office.server.raw() as line:
        head = f"POST /sources/alpha/files?name=cut.csv HTTP/1.1\r\nHost: x\r\nContent-Length: {len(ONE)}\r\n"
        token = office.headers()["Authorization"]
        line.sendall(f"{head}Authorization: {token}\r\n\r\n".encode() + ONE[:100])
    assert office.call("GET", "/files").document == {"data": []}
    assert office.upload(ONE).status == 201


def test_who_may_not_and_what_is_not_there_is_said(office, desk):
    declare(desk)
    assert office.upload(ONE, role=OperatorRole.VIEWER).code == "role_too_low"
    assert office.server.call("POST", "/sources/alpha/files?name=a", ONE).status == 401
    assert (office.upload(ONE, source="beta").status, office.upload(ONE, source="beta").code) == (
        404, "source_not_found",
    )  # fmt: skip
    missing = f"/files/file_{'0' * 26}"
    assert office.call("GET", missing).code == "file_not_found"
    assert office.call("GET", f"{missing}/quarantine").code == "file_not_found"


def test_the_quarantine_is_paged(office, desk):
    declare(desk)
    bad = [tieout_row(number, gross="?") for number in range(3)]
    file = office.upload(report(*bad)).document
    stage_one(READERS, desk.transactions)
    path = f"/files/{file['id']}/quarantine"
    first = office.call("GET", f"{path}?limit=2").document["data"]
    rest = office.call("GET", f"{path}?after={first[-1]['nth']}").document["data"]
    assert [line["line_number"] for line in first + rest] == [2, 3, 4]
    assert first[0]["field"] == "gross"


def test_the_command_line_does_the_same(reconciliation_urls, desk, tmp_path, monkeypatch, operators):
    monkeypatch.setenv("RECONCILIATION_OPERATOR_PUBLIC_KEY", operators.public_key)
    ada = operators("ada")
    monkeypatch.setenv("RECONCILIATION_DATABASE_URL", reconciliation_urls.app)
    file = tmp_path / "november.csv"
    file.write_bytes(ONE)

    def said(*words):
        done = CliRunner().invoke(cli, [*words])
        assert done.exit_code == 0, done.output
        return done.stdout

    declared = json.loads(
        said(
            "sources", "declare", "alpha", "--format", "tieout_csv", "--processor", "alpha", "--account", "acct_1",
            "--option", "decimal_separator=.", "--token-file", ada, "--reason", "a test", "--json",
        )
    )  # fmt: skip
    assert declared["options"] == {"decimal_separator": "."}
    upload = ("upload", str(file), "--source", "alpha", "--token-file", ada, "--json")
    first, again = json.loads(said(*upload)), json.loads(said(*upload))
    assert (first["name"], first["is_new"], again["is_new"], again["id"]) == (
        "november.csv", True, False, first["id"],
    )  # fmt: skip
    while stage_one(READERS, desk.transactions):
        pass
    assert json.loads(said("files", "show", first["id"], "--json"))["state"] == "STAGED"
    assert json.loads(said("files", "quarantine", first["id"], "--json")) == []
    assert [row["id"] for row in json.loads(said("files", "list", "--json"))] == [first["id"]]
    said("files", "download", first["id"], str(tmp_path / "back.csv"))
    assert (tmp_path / "back.csv").read_bytes() == ONE
    refused = CliRunner().invoke(cli, ["files", "show", "file_x"])
    assert (refused.exit_code, "file_not_found" in refused.stderr) == (1, True)


@pytest.fixture
def folder(reconciliation_urls, tmp_path):
    """The worker of the watched folder, and the folder of one source."""
    (tmp_path / "alpha").mkdir()
    _, loaded = settings(reconciliation_urls, RECONCILIATION_WATCHED_FOLDER=str(tmp_path))
    runtime = build(loaded)
    yield runtime.roles["work.folder"](), tmp_path / "alpha"
    runtime.close()


def lying_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_in_the_watched_folder_is_taken_in_once_it_bears_its_name(folder, desk):
    role, alpha = folder
    declare(desk)
    (alpha / "report.csv.part").write_bytes(ONE[:50])
    (alpha / ".hidden").write_bytes(ONE)
    role.turn()
    assert desk.rows("SELECT count(*) FROM report_files") == [(0,)]
    (alpha / "report.csv.part").write_bytes(ONE)
    (alpha / "report.csv.part").rename(alpha / "report.csv")
    role.turn()
    assert lying_in(alpha) == [".hidden", "done/report.csv"]
    assert desk.rows("SELECT name, received_by FROM report_files") == [("report.csv", "watched folder")]


def test_a_file_that_was_taken_in_before_a_crash_is_known_and_moved(folder, desk):
    role, alpha = folder
    declare(desk)
    for _ in range(2):
        (alpha / "report.csv").write_bytes(ONE)
        role.turn()
    assert lying_in(alpha) == ["done/report.1.csv", "done/report.csv"]
    assert desk.rows("SELECT count(*) FROM report_files") == [(1,)]


def test_a_file_that_is_not_taken_is_moved_with_the_reason(folder, desk):
    role, alpha = folder
    (alpha / "large.csv").write_bytes(b"x" * (LIMIT + 1))
    (alpha / "report.csv").write_bytes(ONE)
    role.turn()
    assert lying_in(alpha) == [
        "refused/large.csv", "refused/large.csv.reason.txt", "refused/report.csv", "refused/report.csv.reason.txt",
    ]  # fmt: skip
    assert (alpha / "refused/large.csv.reason.txt").read_text().startswith("file_too_large: ")
    assert (
        alpha / "refused/report.csv.reason.txt"
    ).read_text() == "source_not_found: there is no source alpha\n"


def test_without_a_watched_folder_its_worker_rests(reconciliation_urls):
    _, loaded = settings(reconciliation_urls)
    runtime = build(loaded)
    try:
        assert runtime.roles["work.folder"]().turn() is False
    finally:
        runtime.close()
