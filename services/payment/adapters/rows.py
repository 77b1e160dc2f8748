"""Rows to aggregates and back: the only place that knows which column is which field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from services.payment.adapters import tables
from services.payment.domain.amounts import Amounts
from services.payment.domain.cases import Case
from services.payment.domain.disputes import Dispute, DisputeStatus
from services.payment.domain.facts import Fact, ObjectType, ProcessorObject, Role
from services.payment.domain.operations import Operation, OperationState, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.pricing import Price, RefundPolicy
from services.payment.domain.refunds import Refund, RefundState
from services.payment.domain.reversals import Reversal
from services.payment.domain.risk_states import RiskBy, RiskState
from services.payment.domain.status import CaptureMethod, Status
from services.payment.domain.strays import Stray, StrayKind

Row = Mapping[str, Any]

_TIMES: Final = frozenset(
    {
        "created_at", "updated_at", "since", "next_check_at", "looked_up_at", "occurred_at", "found_at",
        "settled_available_on", "capture_before", "evidence_due_by", "risk_deadline_at", "doubtful_since",
        "opened_at", "changed_at", "closed_at",
    }
)  # fmt: skip
_FACT_FIELDS: Final = tuple(Fact.__dataclass_fields__)


def _read(row: Row, columns: Iterable[str], kinds: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column in columns:
        value = row[column]
        if value is not None:
            if column in _TIMES:
                value = datetime.fromisoformat(value)
            elif column in kinds:
                value = kinds[column](value)
        values[column] = value
    return values


def payment_row(payment: Payment) -> dict[str, Any]:
    """The payment's own row; its version is the one that the write will give it."""
    row = {column: getattr(payment, column) for column in tables.PAYMENT_PLAIN}
    row |= {column: getattr(payment.amounts, column) for column in tables.AMOUNTS}
    row |= {column: getattr(payment.price, column) for column in tables.PRICE}
    row["version"] = payment.version + 1
    row["status_path"] = list(payment.changes.status_path)
    row["case_keys"] = sorted(payment.case_keys)
    return row


def payment_from(row: Row) -> Payment:
    """A payment without its children."""
    values = _read(row, tables.PAYMENT_PLAIN, {"status": Status, "capture_method": CaptureMethod})
    return Payment(
        **values,
        amounts=Amounts(**{column: row[column] for column in tables.AMOUNTS}),
        price=Price(
            percent_ppm=row["percent_ppm"],
            fixed_minor=row["fixed_minor"],
            refund_policy=RefundPolicy(row["refund_policy"]),
            dispute_fee_minor=row["dispute_fee_minor"],
        ),
        case_keys=set(row["case_keys"]),
    )


def attach(payment: Payment, kind: str, row: Row) -> None:
    """Hang one child row under its payment."""
    if kind == "operations":
        kinds: dict[str, Callable[[Any], Any]] = {
            "type": OperationType, "state": OperationState, "risk": RiskState, "risk_by": RiskBy,
        }  # fmt: skip
        columns = tuple(column for column in tables.OPERATION if column != "state_path")
        operation = Operation(**_read(row, columns, kinds), stored=True, dirty=False)
        payment.operations[operation.operation_id] = operation
    elif kind == "refunds":
        refund = Refund(**_read(row, tables.REFUND, {"state": RefundState}), stored=True, dirty=False)
        payment.refunds[refund.refund_id] = refund
    elif kind == "processor_objects":
        kinds = {"object_type": ObjectType, "role": Role}
        thing = ProcessorObject(**_read(row, tables.OBJECT, kinds), stored=True, dirty=False)
        payment.objects[thing.key] = thing
    elif kind == "disputes":
        dispute = Dispute(**_read(row, tables.DISPUTE, {"status": DisputeStatus}), stored=True, dirty=False)
        payment.disputes[dispute.dispute_id] = dispute
    elif kind == "reversals":
        reversal = Reversal(**_read(row, tables.REVERSAL, {}), stored=True, dirty=False)
        payment.reversals[reversal.reversal_id] = reversal
    elif kind == "cases":
        case = Case(**_read(row, tables.CASE, {}), stored=True, dirty=False)
        payment.cases.kept[case.case_id] = case
    else:
        stray = Stray(**_read(row, tables.STRAY, {"kind": StrayKind}), stored=True, dirty=False)
        payment.strays[stray.stray_id] = stray


Child = Operation | Refund | ProcessorObject | Stray | Dispute | Reversal | Case


def children_of(payment: Payment) -> list[tuple[str, Child]]:
    """Every child with its table's name."""
    kinds: tuple[tuple[str, Iterable[Child]], ...] = (
        ("operations", payment.operations.values()),
        ("refunds", payment.refunds.values()),
        ("processor_objects", payment.objects.values()),
        ("strays", payment.strays.values()),
        ("disputes", payment.disputes.values()),
        ("reversals", payment.reversals.values()),
        ("cases", payment.cases),
    )
    return [(kind, child) for kind, children in kinds for child in children]


def child_row(payment_id: str, table: str, child: Child) -> dict[str, Any]:
    """A child's row."""
    _, columns = tables.CHILDREN[table]
    row = {column: getattr(child, column) for column in columns if column != "payment_id"}
    row["payment_id"] = payment_id
    return row


def fact_json(fact: Fact) -> dict[str, Any]:
    """A fact as it is kept in evidence and while it waits."""
    return {name: getattr(fact, name) for name in _FACT_FIELDS}


def fact_from(values: Row) -> Fact:
    """A kept fact."""
    read: dict[str, Any] = {name: values.get(name) for name in _FACT_FIELDS}
    read["object_type"] = ObjectType(values["object_type"])
    for name in ("occurred_at", "capture_before", "evidence_due_by"):
        if read[name] is not None:
            read[name] = datetime.fromisoformat(values[name])
    return Fact(**read)
