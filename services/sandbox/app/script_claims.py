"""The script of disputes and reversals: whoever tests says what customers, issuers and banks do next.

A real processor has no such requests. They run through the same one path as every command: once per key, whole,
with events, webhooks and the book; the card that paid decides how the webhooks travel.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from services.sandbox.app import parsing, rendering
from services.sandbox.app.perform import Command
from services.sandbox.domain import disputes, reversals
from services.sandbox.domain.objects import Capture, Dispute, Effect, ProcessorObject, Reversal
from shared.kernel.errors import Rejected
from shared.kernel.ids import Ids

FIELDS: Final = frozenset({"do", "amount", "reason"})
_Step = Callable[[Any, int | None, Ids, datetime, str], Effect]

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
    "fail": lambda capture, _amount, _ids, now, _: _must(reversals.fail_capture(capture, now=now)),
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
}
REVERSAL_STEPS: Final[Mapping[str, _Step]] = {
    "give_back": lambda reversal, amount, ids, now, _: reversals.give_back(
        reversal, amount, row_id=ids.new("row_"), now=now
    ),
}
#: collection -> the kind of object that it names, and what can be done to one.
STEPS: Final[Mapping[str, tuple[type[Capture | Dispute | Reversal], Mapping[str, _Step]]]] = {
    "captures": (Capture, CAPTURE_STEPS),
    "disputes": (Dispute, DISPUTE_STEPS),
    "reversals": (Reversal, REVERSAL_STEPS),
}


def script_command(collection: str, object_id: str, raw: bytes, *, key: str, ids: Ids, path: str) -> Command:
    """Read what shall happen to an object."""
    kind, steps = STEPS[collection]
    body = parsing.read_body(raw, FIELDS)
    step = steps.get(parsing.text(body, "do"))
    if step is None:
        raise Rejected("step_unknown", f"One of {', '.join(steps)}.", status=400, param="do")
    amount_minor = parsing.amount(body)
    reason = parsing.text(body, "reason") if "reason" in body else "fraudulent"

    def decide(parent: ProcessorObject | None, now: datetime) -> Effect:
        if not isinstance(parent, kind):
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
    )


def _must(effect: Effect | None) -> Effect:
    if effect is None:
        raise Rejected("capture_not_reversible", "It has taken no money.")
    return effect
