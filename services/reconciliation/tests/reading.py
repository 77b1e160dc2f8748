"""Reading bytes in tests: every record, or why the file as a whole was refused."""

from __future__ import annotations

import io

from services.reconciliation.adapters.readers import READERS
from services.reconciliation.domain.lines import BankLine, ControlTotal, QuarantinedLine, SettlementLine
from services.reconciliation.domain.readers import ReadingContext


def records(name, content, **options):
    zone = options.pop("time_zone", None)
    context = ReadingContext(source="test", time_zone=zone, options=options)
    return list(READERS[name].read(io.BytesIO(content), context))


def lines(found):
    return [record for record in found if isinstance(record, SettlementLine | BankLine)]


def quarantined(found):
    return [record for record in found if isinstance(record, QuarantinedLine)]


def totals(found):
    return [record for record in found if isinstance(record, ControlTotal)]


def only_quarantined(found):
    (line,) = quarantined(found)
    return line.line_number, line.code, line.field
