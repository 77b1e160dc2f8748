"""Two people want a file of journals: who may say what about which bytes, and what a file is said to come to."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.ledger.adapters.import_files import decoded
from services.ledger.app.import_journals import FileCheck
from services.ledger.app.propose_import import (
    CheckedFile,
    approve_import,
    approved_proposal,
    propose_import,
    reject_import,
)
from services.ledger.tests.import_lines import entry, line
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor

FILE = CheckedFile(sha256=bytes(32), name="old.jsonl", lines=2, journals=2, totals={"EUR": 5})
CAROL, DAVE = Actor(name="carol", role="operator"), Actor(name="dave", role="approver")


class Work:
    """A transaction's proposals in memory, and what was told."""

    def __init__(self):
        self.now, self.rows, self.told = datetime(2026, 11, 28, tzinfo=UTC), {}, []
        self.ids = self.import_proposals = self

    def new(self, prefix):
        return f"{prefix}{len(self.rows)}"

    def find(self, file_sha256):
        of_these = [row for row in self.rows.values() if row.file_sha256 == file_sha256]
        return max(of_these, key=lambda row: (row.state != "REJECTED", row.import_id), default=None)

    def add(self, proposal):
        self.rows[proposal.import_id] = proposal

    def decide(self, import_id, state, *, by, reason):
        self.rows[import_id] = replace(
            self.rows[import_id], state=state, decided_by=by, decision_reason=reason
        )

    def acted(self, act):
        self.told.append((act.actor.name, act.action, act.target, act.reason))


@pytest.fixture
def work():
    return Work()


def refused(step, *arguments):
    with pytest.raises(Rejected) as found:
        step(*arguments)
    return found.value.code


def test_one_proposes_and_another_approves(work):
    proposal = propose_import(FILE, "moving", CAROL, work)
    assert propose_import(FILE, "me too", DAVE, work) == proposal
    assert refused(approved_proposal, FILE.sha256, work) == "import_not_approved"
    assert refused(approve_import, FILE.sha256, "sure", CAROL, work) == "four_eyes"
    approve_import(FILE.sha256, "seen", DAVE, work)
    assert approved_proposal(FILE.sha256, work).import_id == proposal.import_id
    told = f"sha256:{'00' * 32} "
    assert work.told == [
        ("carol", "import_proposed", "imp_0", told + "moving"),
        ("dave", "import_approved", "imp_0", told + "seen"),
    ]


def test_only_what_is_proposed_is_decided_and_once(work):
    other = bytes([1]) * 32
    for step in (approve_import, reject_import):
        assert refused(step, other, "seen", DAVE, work) == "import_not_proposed"
    propose_import(FILE, "moving", CAROL, work)
    reject_import(FILE.sha256, "a mistake", CAROL, work)
    assert refused(approve_import, FILE.sha256, "seen", DAVE, work) == "import_wrong_state"
    assert refused(approved_proposal, FILE.sha256, work) == "import_not_proposed"
    assert propose_import(FILE, "now", DAVE, work).import_id == "imp_1"
    approve_import(FILE.sha256, "seen", CAROL, work)
    assert refused(reject_import, FILE.sha256, "no", DAVE, work) == "import_wrong_state"


def test_totals_are_what_the_journals_of_a_file_debit_each_counted_once():
    class Books:
        def causes(self, _fact_keys):
            return {}

    yen = [
        entry("fx", "debit", 70), entry("suspense", "credit", 70, key="k"),
        entry("fx", "credit", 9, currency="JPY", scale=0), entry("bank_cash", "debit", 9, owner="b", currency="JPY", scale=0),
    ]  # fmt: skip
    said = [line(1), line(2, amount=10**15), line(1), line(3, entries=yen)]
    check = FileCheck()
    lines = [(number, decoded(json.dumps(each).encode())) for number, each in enumerate(said, 1)]
    check.take(lines, Books())
    assert (check.found.lines, check.found.journals, check.found.refused) == (4, 3, [])
    assert check.found.totals == {"EUR": 1_000 + 10**15 + 70, "JPY": 9}
