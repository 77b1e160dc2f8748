"""What the payment machine may hear: kinds of objects, their statuses, and the lives that operations have."""

from __future__ import annotations

from hypothesis import strategies as st

from services.payment.domain.answering import Answer
from services.payment.domain.facts import ROW_STATUSES
from services.payment.domain.operations import OperationType

KINDS = {
    "authorization": "auth",
    "capture": "cap",
    "refund": "ref",
    "dispute": "dsp",
    "reversal": "rvl",
}
PARENTS = {
    "capture": ("authorization", "auth"),
    "refund": ("capture", "cap"),
    "dispute": ("capture", "cap"),
    "reversal": ("capture", "cap"),
}
STATUSES = {
    "authorization": ("pending", "authorized", "declined", "voided", "expired"),
    "capture": ("pending", "succeeded", "failed"),
    "refund": ("pending", "succeeded", "failed"),
    "dispute": ("inquiry", "opened", "under_review", "accepted", "won", "lost"),
    "reversal": ("succeeded", "given_back"),
}
ROWS = st.sampled_from(
    [(kind.value, status) for kind, known in ROW_STATUSES.items() for status in sorted(known)]
)
#: What the processor makes of an operation: the object's type, and its status where it went well or ill.
MADE_BY = {
    OperationType.AUTHORIZE: ("authorization", "authorized", "declined"),
    OperationType.CAPTURE: ("capture", "succeeded", "failed"),
    OperationType.REFUND: ("refund", "succeeded", "failed"),
    OperationType.STRAY_RETURN: ("refund", "succeeded", "failed"),
}
#: What an operation may hear, word by word.
LIVES = st.sampled_from((
    "", "sent", "succeeds", "sent accepted succeeds", "sent unknown succeeds", "sent unknown gone", "sent unknown fails",
    "accepted fails", "succeeds fails", "succeeds fails succeeds", "declined", "sent accepted unknown", "sent accepted",
))  # fmt: skip
DRIFTS = st.sampled_from((0, 0, 0, 50, -50))
SAID = Answer(
    result="", decline_code=None, error_code=None, message=None, next_check_at=None, mismatched=False
)
FACTS = st.sampled_from([(kind, status) for kind, known in STATUSES.items() for status in known])
AMOUNTS = st.sampled_from([1, 4_000, 6_000, 10_000])
