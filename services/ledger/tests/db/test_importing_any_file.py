"""Any files of good and bad lines, cut off anywhere, against a plain model: the same refusals, the same balances."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ledger.tests.bringing import bring
from services.ledger.tests.import_lines import BAD, MERCHANTS, entry, line, write

EXAMPLES = 25
"""Each costs some twenty transactions."""
NETS = (
    "SELECT a.family, a.owner, a.currency, sum(CASE e.side WHEN 'debit' THEN e.amount_minor ELSE -e.amount_minor END)"
    " FROM entries e JOIN accounts a USING (account_id) GROUP BY 1, 2, 3"
)
AT = datetime(2025, 3, 1, 10, tzinfo=UTC)


def entries_of(shape, amount, merchant):
    """By its number: two entries, three of them, two currencies, or one that must return to zero."""
    owner = MERCHANTS[merchant]
    fee = max(1, amount // 50)
    return (
        [entry("bank_cash", "debit", amount, owner="iban-1"), entry("merchant_available", "credit", amount, owner=owner)],
        [
            entry("bank_cash", "debit", amount, owner="iban-1"),
            entry("fee_revenue", "credit", fee),
            entry("merchant_available", "credit", amount + fee, owner=owner),
            entry("merchant_available", "debit", 2 * fee, owner=owner),
        ],
        [
            entry("fx", "debit", amount),
            entry("merchant_available", "credit", amount, owner=owner),
            entry("fx", "credit", fee, currency="JPY", scale=0),
            entry("bank_cash", "debit", fee, owner="iban-2", currency="JPY", scale=0),
        ],
        [entry("suspense", "credit", amount, key="old-1"), entry("bank_cash", "debit", amount, owner="iban-1")],
    )[shape]  # fmt: skip


LINES = st.fixed_dictionaries(
    {
        "number": st.integers(0, 5),
        "shape": st.integers(0, 3),
        "amount": st.sampled_from([1, 1_000, 10**12]),
        "merchant": st.integers(0, 2),
        "hours": st.sampled_from([0, 0, 2]),
        "bad": st.sampled_from([None] * 200 + sorted(BAD)),
        "spaces": st.booleans(),
    }
)
FILES = st.lists(
    st.tuples(st.lists(LINES, min_size=1, max_size=12), st.integers(1, 5), st.sampled_from([None, 0, 1, 2])),
    min_size=1,
    max_size=4,
)


def said(spec, source):
    """A line as it is written: another zone and other spaces say the same."""
    at = AT.astimezone(timezone(timedelta(hours=spec["hours"]))).isoformat()
    entries = entries_of(spec["shape"], spec["amount"], spec["merchant"])
    made = line(spec["number"], entries=entries, source=source, at=at)
    if spec["bad"] is not None:
        two = line(spec["number"], source=source, at=at)
        made = BAD[spec["bad"]][1](two)
    return json.dumps(made, separators=(", ", " : ") if spec["spaces"] else (",", ":"))


class Model:
    """What any ledger would hold: one content per id, and sums."""

    def __init__(self):
        self.booked = {}
        self.nets = Counter()

    def refused(self, specs, source):
        found, first = set(), {}
        for number, spec in enumerate(specs, 1):
            name, content = self._named(spec, source)
            if spec["bad"] is not None:
                code, field = spec["bad"], BAD[spec["bad"]][0]
            elif first.setdefault(name, content) != content:
                code, field = "duplicate_id", "id"
            elif self.booked.get(name, content) != content:
                code, field = "already_booked_otherwise", "id"
            else:
                continue
            found.add((number, code, field))
        return found

    def take(self, specs, source):
        fresh = 0
        for spec in specs:
            name, content = self._named(spec, source)
            if name in self.booked:
                continue
            self.booked[name] = content
            fresh += 1
            for each in entries_of(spec["shape"], spec["amount"], spec["merchant"]):
                sign = 1 if each["side"] == "debit" else -1
                self.nets[each["family"], each["owner"], each["currency"]] += sign * each["amount_minor"]
        return fresh

    def _named(self, spec, source):
        return (source, spec["number"]), entries_of(spec["shape"], spec["amount"], spec["merchant"])


class CutOff(Exception):  # noqa: N818 - what happened to it
    pass


def test_any_files_in_any_batches_cut_off_anywhere_give_the_models_books(ledger, tmp_path):
    model, examples = Model(), [0]

    def brought(path, batch, after=None):
        def maybe_die(what, lines):
            if what == "booked" and after is not None and lines > after * batch:
                raise CutOff

        return bring(ledger, path, batch=batch, progress=maybe_die)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(files=FILES)
    def run(files):
        examples[0] += 1
        source = f"s{examples[0]}"  # the books cannot be emptied: each example has ids of its own
        for specs, batch, after in files:
            path = write(tmp_path / "any.jsonl", [said(spec, source) for spec in specs])
            refused = model.refused(specs, source)
            before = len(model.booked)
            try:
                done = brought(path, batch, after)
            except CutOff:
                done = brought(path, batch)
            assert {(each.line, each.code, each.field) for each in done.checked.refused} == refused
            assert [each.line for each in done.checked.refused] == sorted(each for each, _, _ in refused)
            if refused:
                assert (done.state, done.booked) == ("refused", 0)
            else:
                model.take(specs, source)
                assert done.state in {"imported", "known"}
                assert done.booked + done.checked.already >= len(model.booked) - before
            assert ledger.rows("SELECT count(*) FROM journals") == [(len(model.booked),)]
        found = {tuple(account): int(net) for *account, net in ledger.rows(NETS) if net}
        assert found == {account: net for account, net in model.nets.items() if net}
        assert ledger.rows("SELECT count(*) FROM imports WHERE finished_at IS NULL") == [(0,)]

    run()
    assert ledger.reader.trial_balance().balanced
    assert ledger.rows("SELECT count(*) FROM outbox WHERE event_type = 'JournalPosted.v1'") == [
        (len(model.booked),)
    ]
