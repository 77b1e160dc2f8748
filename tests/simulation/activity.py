"""What must have happened over a run of many seeds: a simulation in which nothing goes wrong proves nothing."""

from collections import Counter

from shared.kernel.crash_points import KNOWN_CRASH_POINTS
from tests.simulation.faults import LIKELIHOODS
from tests.simulation.kinds import KINDS as CONSTELLATIONS
from tests.simulation.mishaps import KINDS

ENOUGH_SEEDS = 400
"""Over fewer seeds the rare faults are left to chance."""
ELSEWHERE = ("external_call.", "archive.", "sandbox.", "report.", "refill.", "take_refill.", "redrive.")
"""Points that no seed dies at: the sandbox is outside, nothing is archived or filled anew, no report is brought, and
parked keys are tried again once the faults have ended."""
OUTCOMES = (
    "payment:REQUIRES_PAYMENT_METHOD", "payment:AUTHORIZED", "payment:CAPTURED", "payment:REFUNDED",
    "payment:CANCELED", "payment:FAILED", "operation:authorize:SUCCEEDED", "operation:authorize:DECLINED",
    "operation:authorize:IN_REVIEW", "operation:capture:SUCCEEDED", "operation:cancel:SUCCEEDED",
    "operation:refund:SUCCEEDED", "operation:refund:DECLINED", "operation:refund:FAILED_LATER",
    "answer:200", "answer:201", "answer:409", "answer:422", "unanswered", "replayed", "refused:operation_in_doubt",
    "refused:idempotency_key_in_use", "refused:idempotency_key_reused", "refused:reference_in_use",
    "operation:dispute_evidence:SUCCEEDED", "dispute:won", "dispute:lost", "reversals", "operator reads",
    "operation:stray_return:SUCCEEDED", "operation:stray_void:SUCCEEDED", "decision:operation:declined:applied",
    "attempt:looked_up", "attempt:worker_lost", "attempt:exhausted", "record copies", "webhook copies", "booked", "redrives", "parked",
    "beta:authorize:SUCCEEDED", "beta:authorize:DECLINED", "beta:authorize:ABANDONED", "beta:capture:SUCCEEDED",
    "beta:cancel:SUCCEEDED", "beta:refund:SUCCEEDED", "alpha:authorize:SUCCEEDED", "alpha:capture:SUCCEEDED",
    "alpha:refund:SUCCEEDED", "refused:several_captures_unsupported", "route:alpha", "route:beta", "route:none",
    "down:refused", "down:lost", "down:unavailable", "risk mode:off", "risk mode:required", "risk asked:authorize",
    "risk asked:sale", "risk asked:capture", "judged:allow", "judged:review", "judged:block", "rule set:RETIRED",
    "risk:ALLOWED:risk", "risk:ALLOWED:deadline", "risk:ALLOWED:operator", "risk:BLOCKED:risk",
    "risk:BLOCKED:operator", "risk:DENIED:risk", "case:risk_review_late", "refused:four_eyes",
    "webhook refused:signature_mismatch", "webhook refused:timestamp_out_of_tolerance", "key of two callers",
    "case closed by hand", "refused:case_needs_decision", "rule set:REJECTED", "strays given back by policy",
    *(f"constellation:{kind.name}" for kind in CONSTELLATIONS), "case closed by evidence", "case:capture_adopted",
    *(f"fault:{kind}" for kind in KINDS), "month closed", "close:REJECTED", "late journals", "requests with a revoked key", "refused:period_not_over",
)  # fmt: skip


def missing(counts: Counter[str]) -> list[str]:
    """Name what never happened."""
    points = [name for name in KNOWN_CRASH_POINTS if not name.startswith(ELSEWHERE)]
    wanted = (
        *OUTCOMES,
        *(f"fault:{name}" for name in LIKELIHOODS),
        *(f"crash:{name}" for name in points),
    )
    return [name for name in wanted if counts[name] == 0]
