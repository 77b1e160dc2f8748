"""The script of acts: whoever tests says what customers, issuers, banks and the processor do to an object next.

A real processor has no such requests. They run through the same one path as every command: once per key, whole,
with events, webhooks and the book; the card that paid decides how the webhooks travel.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.sandbox.app import parsing, rendering
from services.sandbox.app.decisions import OnCapture
from services.sandbox.app.perform import Command
from services.sandbox.domain import authorizations, captures, disputes, reversals
from services.sandbox.domain.faults import Operation
from services.sandbox.domain.objects import (
    Authorization,
    Capture,
    Dispute,
    Effect,
    ProcessorObject,
    Refund,
    Reversal,
)
from shared.kernel.errors import Rejected
from shared.kernel.ids import Ids

FIELDS: Final = frozenset({"do", "amount", "reason"})
_Step = Callable[[Any, int | None, Ids, datetime, str], Effect | OnCapture]

CAPTURE_STEPS: Final[Mapping[str, _Step]] = {
    "inquire": lambda capture, amount, ids, now, reason: disputes.claim(
        capture, disputes.Claim(amount_minor=amount, inquiry=True, reason=reason),
        dispute_id=ids.new("dsp_"), row_id=ids.new("row_"), now=now,
    ),
    "dispute": lambda capture, amount, ids, now, reason: disputes.claim(
        capture, disputes.Claim(amount_minor=amount, reason=reason),
        dispute_id=ids.new("dsp_"), row_id=ids.new("row_"), now=now,
    ),
    "reverse": lambda capture, amount, ids, now, _: reversals.take_back(
        capture, amount, reversal_id=ids.new("rvl_"), row_id=ids.new("row_"), now=now
    ),
    "fail": lambda capture, _amount, _ids, now, _: _must(
        reversals.fail_capture(capture, now=now), "capture_not_reversible", "It has taken no money."
    ),
}  # fmt: skip
DISPUTE_STEPS: Final[Mapping[str, _Step]] = {
    "open": lambda dispute, _amount, ids, now, _: disputes.open_again(
        dispute, row_id=ids.new("row_"), now=now
    ),
    "win": lambda dispute, _amount, ids, now, _: disputes.win(dispute, row_id=ids.new("row_"), now=now),
    "lose": lambda dispute, amount, ids, now, _: disputes.lose(
        dispute, amount or 0, row_id=ids.new("row_"), now=now
    ),
    "reinstate": lambda dispute, amount, ids, now, _: disputes.reinstate(
        dispute, amount, row_id=ids.new("row_"), now=now
    ),
    "overpay": lambda dispute, amount, ids, now, _: disputes.overpay(
        dispute, amount, row_id=ids.new("row_"), now=now
    ),
}
REVERSAL_STEPS: Final[Mapping[str, _Step]] = {
    "give_back": lambda reversal, amount, ids, now, _: reversals.give_back(
        reversal, amount, row_id=ids.new("row_"), now=now
    ),
}
REFUND_STEPS: Final[Mapping[str, _Step]] = {
    "fail": lambda refund, _amount, _ids, _now, _: OnCapture(
        refund.capture_id,
        lambda refunded, capture, now: _must(
            captures.fail_refund(refunded, capture, now=now), "refund_not_reversible", "It has failed."
        ),
    ),
}
AUTHORIZATION_STEPS: Final[Mapping[str, _Step]] = {
    "void": lambda hold, _amount, _ids, now, _: authorizations.void(hold, reference=None, now=now),
    "expire": lambda hold, _amount, _ids, now, _: _must(
        authorizations.expire(hold, now=now), "authorization_not_voidable", "It holds nothing."
    ),
}


@dataclass(frozen=True, slots=True)
class Collection:
    """The kind of object that it names, what can be done to one, and whose webhooks announce that."""

    kind: type[ProcessorObject]
    steps: Mapping[str, _Step]
    travels_as: Operation = Operation.DISPUTE


COLLECTIONS: Final[Mapping[str, Collection]] = {
    "authorizations": Collection(Authorization, AUTHORIZATION_STEPS, Operation.AUTHORIZATION),
    "captures": Collection(Capture, CAPTURE_STEPS),
    "refunds": Collection(Refund, REFUND_STEPS, Operation.REFUND),
    "disputes": Collection(Dispute, DISPUTE_STEPS),
    "reversals": Collection(Reversal, REVERSAL_STEPS),
}


def script_command(collection: str, object_id: str, raw: bytes, *, key: str, ids: Ids, path: str) -> Command:
    """Read what shall happen to an object."""
    named, body = COLLECTIONS[collection], parsing.read_body(raw, FIELDS)
    step = step_in(named, body)
    amount_minor = parsing.amount(body)
    reason = parsing.text(body, "reason") if "reason" in body else "fraudulent"

    def decide(parent: ProcessorObject | None, now: datetime) -> Effect | OnCapture:
        if not isinstance(parent, named.kind):
            raise Rejected("not_found", "No such object.", status=404)
        return step(parent, amount_minor, ids, now, reason)

    return Command(
        operation=None,
        key=key,
        fingerprint=parsing.fingerprint(path, body),
        parent_id=object_id,
        payment_method=None,
        decide=decide,
        render=lambda effect: (rendering.HTTP_CREATED, rendering.object_body(effect.result)),
        travels_as=named.travels_as,
    )


def step_in(collection: Collection, body: Mapping[str, Any]) -> _Step:
    """Return what the request wants done."""
    step = collection.steps.get(parsing.text(body, "do"))
    if step is None:
        raise Rejected("step_unknown", f"One of {', '.join(collection.steps)}.", status=400, param="do")
    return step


def _must(effect: Effect | None, code: str, message: str) -> Effect:
    if effect is None:
        raise Rejected(code, message)
    return effect
