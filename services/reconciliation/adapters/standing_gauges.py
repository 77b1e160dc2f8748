"""What stands now, as gauges: breaks, files, lines and days, read together and at most once per interval."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from services.reconciliation.adapters.bank_days_sql import CALENDAR_OF_PAYOUT, late_on
from services.reconciliation.adapters.breaks import STANDING
from services.reconciliation.adapters.file_breaks_sql import HOLDING_UP
from shared.kernel.clock import Clock
from shared.runtime import metric_names
from shared.runtime.metric_names import Metric
from shared.runtime.metrics import Samples, probe

#: All gauges share one reading for so long, whoever scrapes how often.
READ_EVERY_S: Final = 15.0
UNTOLD_MAX: Final = 100_000
_BREAKS: Final = f"""
SELECT type, currency, count(*), sum(at_risk_minor), extract(epoch FROM %(now)s - min(since))
  FROM breaks WHERE state IN ({STANDING}) GROUP BY type, currency
"""
_FILES: Final = """
SELECT state, count(*) FROM report_files WHERE state IN ('RECEIVED', 'REFUSED') GROUP BY state
"""
_UNTOLD: Final = f"""
SELECT count(*) FROM (
    SELECT FROM settlement_lines AS l JOIN payouts AS p
        ON p.source = l.source AND p.payout_id = l.payout_id AND p.currency = l.net_currency
     WHERE l.stands AND NOT l.announced AND l.category <> 'payout' AND l.payout_id IS NOT NULL
       AND p.closed_at IS NOT NULL LIMIT {UNTOLD_MAX}) AS untold
"""
_RUN_AGE: Final = """
SELECT coalesce(extract(epoch FROM %(now)s - coalesce(
    (SELECT started_at FROM runs ORDER BY nth DESC LIMIT 1), (SELECT min(received_at) FROM report_files),
    (SELECT min(occurred_at) FROM our_items))), 0)
"""
_UNEXPLAINED: Final = f"""
SELECT coalesce(extract(epoch FROM %(now)s - min(p.late_on)::timestamp AT TIME ZONE 'UTC'), 0)
  FROM (SELECT p.*, {late_on("coalesce(p.expected_on, (p.closed_at AT TIME ZONE 'UTC')::date)")} AS late_on
          FROM payouts AS p {CALENDAR_OF_PAYOUT} WHERE p.closed_at IS NOT NULL) AS p
  LEFT JOIN (SELECT processor, account, payout_id, currency, sum(amount_minor) AS paid FROM payout_allocations
              GROUP BY 1, 2, 3, 4) AS a USING (processor, account, payout_id, currency)
 WHERE p.lines_net_minor <> coalesce(a.paid, 0) AND p.late_on < (%(now)s AT TIME ZONE 'UTC')::date
   AND NOT EXISTS (
    SELECT FROM breaks AS b WHERE b.state <> 'SELF_CLOSED'
       AND b.subject = 'payout:' || p.processor || ':' || p.account || ':' || p.payout_id || ':' || p.currency)
"""
_UNANSWERED: Final = """
SELECT coalesce(extract(epoch FROM %(now)s - least(
    (SELECT min((SELECT max(a.told_at) FROM asked_resolutions AS a WHERE a.break_id = b.break_id))
       FROM breaks AS b WHERE b.state = 'APPLYING'),
    (SELECT min(w.withdrawn_at)
       FROM withdrawn_resolutions AS w JOIN asked_resolutions AS a ON a.event_id = w.asked_event_id
      WHERE coalesce(a.outcome, 'accepted') = 'accepted'))), 0)
"""
_GAP: Final = "SELECT coalesce(extract(epoch FROM %(now)s - min(received_at)), 0) FROM statement_gaps"
# Asked for again it is not counted, nor once nobody asks any more which file holds.
_PREFERENCES_FAILED: Final = f"""
SELECT count(*) FROM asked_preferences AS p
 WHERE p.state = 'FAILED'
   AND NOT EXISTS (SELECT FROM asked_preferences AS n WHERE n.file_id = p.file_id AND n.nth > p.nth)
   AND EXISTS (SELECT FROM contradicted_files AS c
                 JOIN breaks AS b
                   ON b.subject = 'order:' || c.file_id || ':' || c.former_file_id || ':' || c.currency
                WHERE p.file_id IN (c.file_id, c.former_file_id) AND b.state IN ({STANDING}))
"""
_IN_DOUBT: Final = f"""
SELECT s.source, b.type, count(*)
  FROM breaks AS b LEFT JOIN report_files AS f
    ON f.file_id = split_part(b.subject, ':', 2) AND split_part(b.subject, ':', 1) IN ('file', 'order')
  JOIN sources AS s
    ON s.source = f.source OR (f.file_id IS NULL AND (s.processor, s.account) = (b.processor, b.account))
 WHERE b.type IN ({", ".join(f"'{kind.value}'" for kind in HOLDING_UP)}) AND b.state IN ({STANDING})
 GROUP BY s.source, b.type
"""
GAUGES: Final = (
    metric_names.RECONCILIATION_BREAKS,
    metric_names.RECONCILIATION_AT_RISK_MINOR,
    metric_names.RECONCILIATION_OLDEST_BREAK_S,
    metric_names.RECONCILIATION_FILES_HELD,
    metric_names.RECONCILIATION_LINES_UNTOLD,
    metric_names.RECONCILIATION_RUN_AGE_S,
    metric_names.RECONCILIATION_UNEXPLAINED_AGE_S,
    metric_names.RECONCILIATION_UNANSWERED_AGE_S,
    metric_names.RECONCILIATION_STATEMENT_GAP_AGE_S,
    metric_names.RECONCILIATION_PREFERENCES_FAILED,
    metric_names.RECONCILIATION_FILES_IN_DOUBT,
)


class StandingGauges:
    """Reads what all gauges show in one go, and again when it is too old."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at_s: float | None = None
        self._samples: Mapping[str, Samples] = {}

    def register(self) -> None:
        """Have them scraped."""
        for metric in GAUGES:
            probe(metric, lambda metric=metric: self.samples_of(metric))  # type: ignore[misc]

    def samples_of(self, metric: Metric) -> Samples:
        """One gauge's figures, as of the reading that all share."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if self._read_at_s is None or now_s - self._read_at_s >= READ_EVERY_S:
                self._samples = self._read()
                self._read_at_s = now_s
            return self._samples[metric.name]

    def _read(self) -> Mapping[str, Samples]:
        values = {"now": self._clock.now()}
        with self._engine.connect() as connection:

            def ask(query: str) -> list[Any]:
                return list(connection.exec_driver_sql(query, values))

            breaks, files = ask(_BREAKS), dict(map(tuple, ask(_FILES)))
            queries = (_UNTOLD, _RUN_AGE, _UNEXPLAINED, _UNANSWERED, _GAP, _PREFERENCES_FAILED)
            in_doubt: Samples = {(row[0], row[1]): float(row[2]) for row in ask(_IN_DOUBT)}
            single = [float(ask(query)[0][0]) for query in queries]
        figures: list[Samples] = [
            {(row[0], row[1]): float(row[place]) for row in breaks} for place in (2, 3, 4)
        ]
        figures.append({(state,): float(files.get(state, 0)) for state in ("RECEIVED", "REFUSED")})
        figures.extend({(): figure} for figure in single)
        figures.append(in_doubt)
        return {metric.name: figure for metric, figure in zip(GAUGES, figures, strict=True)}
