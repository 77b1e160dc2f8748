"""What happened in one world, counted for the assertion that something did, and told so that equal worlds end alike."""

from typing import Any

from schemas.catalogue import TOPICS
from tests.simulation.storage import KAFKA_SERVICES
from tests.simulation.world import World

COUNTED = (
    ("payment", "payment:{0}", "SELECT status, count(*) FROM payments GROUP BY 1"),
    ("payment", "operation:{0}:{1}", "SELECT type, state, count(*) FROM operations GROUP BY 1, 2"),
    ("payment", "{2}:{0}:{1}", "SELECT type, state, processor, count(*) FROM operations GROUP BY 1, 2, 3"),
    (
        "payment",
        "risk:{0}:{1}",
        "SELECT risk, coalesce(risk_by, 'nobody'), count(*) FROM operations WHERE risk IS NOT NULL GROUP BY 1, 2",
    ),
    (
        "payment",
        "risk asked:{0}",
        (
            "SELECT CASE WHEN capture THEN 'sale' ELSE type END, count(*) FROM operations"
            " WHERE risk IS NOT NULL GROUP BY 1"
        ),
    ),
    ("payment", "route:{0}", "SELECT coalesce(processor, 'none'), count(*) FROM routes GROUP BY 1"),
    (
        "payment",
        "decision:{0}:{1}:{2}",
        "SELECT kind, outcome, state, count(*) FROM operator_decisions GROUP BY 1, 2, 3",
    ),
    ("payment", "dispute:{0}", "SELECT status, count(*) FROM disputes GROUP BY 1"),
    (
        "payment",
        "strays given back by policy",
        "SELECT count(DISTINCT subject_id) FROM status_history WHERE cause_id = 'policy:stray_returns'",
    ),
    ("ledger", "month closed", "SELECT count(*) FROM closed_periods"),
    ("ledger", "close:{0}", "SELECT state, count(*) FROM period_closes GROUP BY 1"),
    ("ledger", "late journals", "SELECT count(*) FROM late_journals"),
    ("payment", "reversals", "SELECT count(*) FROM reversals"),
    ("payment", "case:{0}", "SELECT reason, count(*) FROM cases GROUP BY 1"),
    (
        "payment",
        "case closed by {0}",
        (
            "SELECT CASE done_by WHEN 'evidence' THEN 'evidence' ELSE 'hand' END, count(*)"
            " FROM case_history WHERE step = 'closed' GROUP BY 1"
        ),
    ),
    ("processor", "attempt:{0}", "SELECT what, count(*) FROM attempt_log GROUP BY 1"),
    ("risk", "rule set:{0}", "SELECT state, count(*) FROM rule_sets GROUP BY 1"),
    ("risk", "judged:{0}", "SELECT decision, count(*) FROM decisions GROUP BY 1"),
    (
        "webhook_ingest",
        "webhook copies",
        "SELECT coalesce(sum(times_seen - 1), 0)::int FROM delivery_claims",
    ),
    ("webhook_ingest", "webhook refused:{0}", "SELECT reason, count(*) FROM refused_deliveries GROUP BY 1"),
    *(
        (service, "parked", "SELECT count(*) FROM outbox WHERE event_type = 'DeadLettered.v1'")
        for service in KAFKA_SERVICES
    ),
)
"""Whose database, under which name, and what is counted: the last column is the number."""
TOLD = (
    (
        "payment",
        "ends",
        (
            "SELECT payment_id, status, authorized_minor, captured_minor, refunded_minor, stray_minor, version"
            " FROM payments ORDER BY payment_id"
        ),
    ),
    (
        "ledger",
        "booked",
        "SELECT position, rule, fact_key, amount_minor, currency FROM journals ORDER BY 1",
    ),
)
"""The books in which a history ends."""


def sum_up(world: World) -> None:
    """Count what happened, and end the history with the books, so that equal histories have equal ends."""
    history = world.history
    history.count(f"risk mode:{world.circumstances.risk_mode}")
    for service, name, query in COUNTED:
        for *names, number in sorted(_rows(world, service, query)):
            history.count(name.format(*names), number)
    history.count("requests with a revoked key", len(world.keys.used_after))
    for topic in TOPICS:
        ids = [dict(record.headers)["ce_id"] for record in world.broker.records(topic)]
        history.count("records", len(ids))
        history.count("record copies", len(ids) - len(set(ids)))
    for service, what, query in TOLD:
        for row in _rows(world, service, query):
            history.tell(service, what, row=row)


def _rows(world: World, service: str, query: str) -> list[tuple[Any, ...]]:
    return world.storage.admin[service].execute(query.encode()).fetchall()
