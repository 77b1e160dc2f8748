"""Tells one payment's story from every side: client, processor, ladder, evidence, steps, ledger, books."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

import httpx2
import psycopg
from psycopg.rows import dict_row
from rich.console import Console
from rich.markup import escape

from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from tools.demo.sandbox_script import SandboxScript
from tools.local_stack.layout import StackError
from tools.local_stack.stack import LocalStack

Row = dict[str, Any]
PATIENCE_S: Final = 120.0
POLL_S: Final = 0.2
_BOOK: Final = """
SELECT kind, object_id, held_minor, captured_minor, refunded_minor, booked_at FROM alpha_book WHERE payment_id = %(id)s
UNION ALL
SELECT kind, object_id, held_minor, captured_minor, refunded_minor, booked_at FROM beta_book WHERE payment_id = %(id)s
ORDER BY booked_at
"""
_BOOK_SUMS: Final = """
SELECT sum(captured_minor)::bigint AS captured, sum(refunded_minor)::bigint AS refunded,
       sum(charges)::bigint AS charges FROM (
    SELECT captured_minor, refunded_minor, charges FROM alpha_book_by_payment WHERE payment_id = %(id)s
    UNION ALL
    SELECT captured_minor, refunded_minor, charges FROM beta_book_by_payment WHERE payment_id = %(id)s) AS b
"""
_LADDER: Final = """
SELECT l.logged_at, a.kind, l.what, l.detail FROM attempt_log AS l JOIN attempts AS a USING (operation_id)
 WHERE a.payment_id = %(id)s ORDER BY l.position
"""
_EVIDENCE: Final = """
SELECT received_at, source, object_type, object_id, fact->>'status' AS status, verdict FROM evidence
 WHERE payment_id = %(id)s ORDER BY received_at, evidence_id
"""
_STEPS: Final = """
SELECT at, subject, subject_id, from_state, to_state FROM status_history WHERE payment_id = %(id)s ORDER BY history_id
"""
_JOURNALS: Final = """
SELECT j.rule, j.booked_at, j.currency, string_agg(
       e.side || ' ' || a.family || ' ' || e.amount_minor, ', ' ORDER BY e.line) AS entries
  FROM journals AS j JOIN entries AS e ON e.journal_position = j.position
  JOIN accounts AS a ON a.account_id = e.account_id
 WHERE j.payment_id = %(id)s GROUP BY j.position ORDER BY j.position
"""
_OURS: Final = """
SELECT coalesce(sum(amount_minor), 0)::bigint AS found, coalesce(sum(returned_minor), 0)::bigint AS returned
  FROM strays WHERE payment_id = %(id)s AND kind = 'money'
"""


@dataclass(slots=True)
class Narrator:
    """One story at one stack: does the steps, and says what was seen. Everything it shows is read, not remembered."""

    stack: LocalStack
    console: Console
    processor: str
    script: SandboxScript
    payment_id: str = ""
    _urls: dict[str, str] = field(default_factory=dict)

    # -- telling ---------------------------------------------------------------------------------------------------

    def chapter(self, title: str) -> None:
        self.console.print(f"\n[bold]{escape(title)}[/bold]")

    def say(self, text: str) -> None:
        self.console.print(f"  {escape(text)}")

    # -- the client ------------------------------------------------------------------------------------------------

    def ask(self, path: str, body: Row, *, wait_s: int = 10) -> Row:
        """One POST of the merchant under a key of its own, told with its reply."""
        key = UlidIds().new("story_")
        headers = self._merchant() | {"Idempotency-Key": key, "Prefer": f"wait={wait_s}"}
        reply = httpx2.post(self.stack.url("payment") + path, json=body, headers=headers, timeout=wait_s + 30)
        told: Row = reply.json()
        self.say(f"client   POST {path} {body}")
        if reply.is_error:
            self.say(f"client   <- {reply.status_code} {told.get('code')}: {told.get('detail')}")
        else:
            self.say(f"client   <- {reply.status_code} {_in_short(told)}")
        return told

    def payment(self) -> Row:
        reply = httpx2.get(
            f"{self.stack.url('payment')}/payments/{self.payment_id}", headers=self._merchant()
        )
        return dict(reply.raise_for_status().json())

    def until(self, what: str, seen: Callable[[Row], bool]) -> Row:
        """Wait until the merchant's view is so, and say so."""
        clock = SystemClock()
        until_s = clock.monotonic_s() + PATIENCE_S
        while not seen(payment := self.payment()):
            if clock.monotonic_s() > until_s:
                raise StackError(f"{what}: not within {PATIENCE_S:.0f} s; {_in_short(payment)}")
            clock.sleep(POLL_S)
        self.say(f"client   GET /payments/{self.payment_id}: {_in_short(payment)}")
        return payment

    def _merchant(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.stack.merchant(lambda _: None, self.processor).api_key}"}

    # -- operators -------------------------------------------------------------------------------------------------

    def operators(self, path: str, **like: str) -> list[Row]:
        """What operators see about this payment, once something of it is `like` that (a hold may come before money)."""
        clock = SystemClock()
        until_s = clock.monotonic_s() + PATIENCE_S
        while True:
            reply = httpx2.get(
                self.stack.url("payment") + f"/operator{path}?payment={self.payment_id}",
                headers=self._token("ann"),
            )
            told = reply.raise_for_status().json()["data"]
            found = [row for row in told if row.items() >= like.items()]
            if found:
                return found
            if clock.monotonic_s() > until_s:
                raise StackError(f"operators see nothing {like} of {self.payment_id} at {path}: {told}")
            clock.sleep(POLL_S)

    def decide(self, path: str, **body: str) -> None:
        """Ann proposes, Bob approves: money moves by four eyes."""
        base = self.stack.url("payment") + "/operator"
        proposal = httpx2.post(
            base + path,
            json=body | {"reason": "seen at the processor"},
            headers=self._token("ann") | {"Idempotency-Key": UlidIds().new("story_")},
        ).raise_for_status()
        decision = proposal.json()["id"]
        self.say(f"operator ann proposes {decision}: {body}")
        httpx2.post(
            f"{base}/decisions/{decision}/approve",
            json={"reason": "seen as well"},
            headers=self._token("bob") | {"Idempotency-Key": UlidIds().new("story_")},
        ).raise_for_status()
        self.say(f"operator bob approves {decision}")

    def _token(self, who: str) -> dict[str, str]:
        issuer = TokenIssuer(self.stack.secrets.ed25519("operator_tokens")[0])
        return {"Authorization": f"Bearer {issuer.operator(who, OperatorRole.APPROVER)}"}

    # -- what everybody has stored ---------------------------------------------------------------------------------

    def rows(self, service: str, statement: LiteralString) -> list[Row]:
        if not self._urls:
            self._urls = self.stack.reader_urls()
        with psycopg.connect(self._urls[service], autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(statement, {"id": self.payment_id}).fetchall()

    def tell_all(self) -> bool:
        """Every side's record of the payment; returns whether both books agree and nothing is open."""
        self.chapter("What the processor did (its own book)")
        for row in self.rows("sandbox", _BOOK):
            sums = ", ".join(
                f"{name.removesuffix('_minor')} {row[name]:+d}"
                for name in ("held_minor", "captured_minor", "refunded_minor")
                if row[name]
            )
            self.say(f"{_time(row['booked_at'])}  {row['kind']:<16} {row['object_id']}  {sums}")
        self.chapter("The ladder: every send and look-up of ours")
        for row in self.rows("processor", _LADDER):
            self.say(
                f"{_time(row['logged_at'])}  {row['kind']:<10} {row['what']:<14} {_detail(row['detail'])}"
            )
        self.chapter("The evidence")
        for row in self.rows("payment", _EVIDENCE):
            self.say(
                f"{_time(row['received_at'])}  {row['source']:<9} {row['object_type']} {row['object_id']}"
                f" is {row['status']}: {row['verdict']}"
            )
        self.chapter("The steps that followed from it")
        for row in self.rows("payment", _STEPS):
            self.say(
                f"{_time(row['at'])}  {row['subject']:<9} {row['from_state'] or '(new)'} -> {row['to_state']}"
            )
        self.chapter("The ledger's journals")
        for row in self.rows("ledger", _JOURNALS):
            self.say(f"{_time(row['booked_at'])}  {row['rule']:<22} {row['entries']}")
        return self._compare()

    def _compare(self) -> bool:
        payment = self.payment()
        (book,) = self.rows("sandbox", _BOOK_SUMS)
        (ours,) = self.rows("payment", _OURS)
        self.chapter("The books at the end")
        self.say(f"processor: captured {book['captured'] or 0}, given back {book['refunded'] or 0}")
        self.say(
            f"payment:   captured {payment['amount_captured']}, given back {payment['amount_refunded']},"
            f" strays found {ours['found']}, returned {ours['returned']}, in doubt {payment['amount_in_doubt']}"
        )
        agree = bool(
            (book["captured"] or 0) == payment["amount_captured"] + ours["found"]
            and (book["refunded"] or 0) == payment["amount_refunded"] + ours["returned"]
            and payment["amount_in_doubt"] == 0
            and payment["certainty"] == "certain"
        )
        self.say("they agree" if agree else "they do NOT agree")
        return agree


def _in_short(payment: Row) -> str:
    if "certainty" not in payment:
        return ", ".join(f"{name} {payment[name]}" for name in ("id", "status", "amount") if name in payment)
    operation = payment.get("operation") or {}
    return (
        f"{payment['status']}, {payment['certainty']}, captured {payment['amount_captured']},"
        f" in doubt {payment['amount_in_doubt']}, stray {payment['amount_stray']};"
        f" {operation.get('type')} {operation.get('state')}"
    )


def _detail(detail: Row) -> str:
    return ", ".join(
        f"{name} {value}" for name, value in detail.items() if value not in (None, [], {}, False)
    )[:110]


def _time(moment: Any) -> str:
    return moment.strftime("%H:%M:%S.%f")[:-3] if moment else ""
