"""Why a case is open, in a sentence that a person understands, with what there is to do about it."""

from collections.abc import Mapping
from typing import Any, Final

REASONS: Final[Mapping[str, str]] = {
    "ladder_exhausted": "The processor never answered what became of this operation. Ask it by our reference, the "
    "operation's id, and decide the operation.",
    "decided_without_proof": "The processor calls this operation decided but shows nothing that proves it. Find its "
    "object there, and decide the operation.",
    "closed_in_doubt": "This operation was given up although a send may have reached the processor. Ask it by our "
    "reference, and decide the operation.",
    "echo_mismatch": "The processor did something else than was asked: another amount, currency or reference. Decide "
    "the operation, and the stray that was found.",
    "stray_found": "Money or a hold lies at the processor that belongs to no live operation of ours. Return, void or "
    "accept it. A refund in another currency than the payment's can be none of these: it waits in suspense for an "
    "adjustment in the ledger.",
    "stray_returned_twice": "More of a stray was given back than it was. Ask the processor for the difference.",
    "stray_return_failed": "A stray that was to be given back is still there. Find out why, and return it again.",
    "stray_void_failed": "A stray hold that was to be voided is still there. Void it again, or let it expire.",
    "decision_contradicted": "Somebody decided this operation, and the processor's own word says otherwise. The word "
    "counts already; look at what the decision rested on, and whether anybody acted on it.",
    "contradicting_evidence": "The processor said two things about one version of one object. Ask it which is true.",
    "amount_changed": "An object that counts already changed its amount at the processor. Ask it why.",
    "status_unknown": "The processor used a word for an object's state that nobody here knows. Read its documents.",
    "money_without_amount": "The processor told of money without an amount. Ask it how much it was.",
    "capture_adopted": "Money was taken under this payment's authorization without our asking. It counts; find out "
    "who asked.",
    "refund_adopted": "Money was given back without our asking. It counts; find out who asked.",
    "refunds_exceed_captured": "More is given back, or claimed, than was taken. What was not sent yet is withdrawn.",
    "risk_denied_late": "Risk refused this payment, or a later capture of it, after money was taken. Decide "
    "whether to refund it.",
    "risk_review_late": "Risk asked for a review of an operation that had gone out already. Look at the "
    "decision's reasons.",
    "risk_void_failed": "Risk refused this payment, and the hold could not be given back. Void it at the "
    "processor.",
    "fact_stuck": "A fact of this payment has fitted nowhere for a day. Look at the object that it names.",
    "webhook_unrecognised": "An authentic webhook, or an event of the feed, about this payment could not be read. "
    "Look at the object at the processor.",
    "double_return": "A refund succeeded and a dispute took the same money: the customer has it twice. "
    "Contest the dispute.",
    "reinstated_too_much": "More of a dispute was given back than was withdrawn. Ask the processor which row is wrong.",
}


def describe(case: Mapping[str, Any]) -> str:
    """What a person reads: the reason, the money at risk now and at first, the last word, what it contradicts."""
    told = case["told"]
    said = [explain(case["reason"]), f"At risk: {case['exposure_minor']} {case['currency']} (minor units)."]
    if len(told) > 1:
        said.append(f"Told {len(told)} times, first as {told[0]}, last as {told[-1]}.")
    if case["follows_case_id"]:
        said.append(
            f"It follows case {case['follows_case_id']}, which {case['followed_closed_by']} closed:"
            f" {case['followed_closed_reason']}"
        )
    return " ".join(said)


def explain(reason: str) -> str:
    """The sentence; a reason of a newer release is told by its code."""
    return REASONS.get(reason, reason.replace("_", " "))
