"""Violations of each invariant, as a superuser plants them: one statement or two, and the invariants that must report it."""

from dataclasses import dataclass

from tools.auditor.copying import WITHOUT_KAFKA
from tools.auditor.registry import LIVENESS
from tools.tests.db.tiny_rows import SERVICES


@dataclass(frozen=True)
class Plant:
    """What is broken in which database; ``also`` are the other invariants that cannot but see it too."""

    breaks: str
    service: str
    sql: tuple[str, ...]
    also: frozenset[str] = frozenset()


def plant(breaks: str, service: str, *sql: str, also: str = "") -> Plant:
    return Plant(breaks, service, sql, frozenset(also.split()))


def _of_rule(rule: str) -> str:
    first = f"(SELECT min(position) FROM journals WHERE rule = '{rule}')"
    return f"journal_position = {first}"


_PARKED = "INSERT INTO parked_keys (consumer, topic, key, reason) VALUES ('ledger', 'payment.events', 'pay_1', '{}')"
_RECORD_COLUMNS = "consumer, event_id, topic, key, headers, payload_sha256"
_NO_HASH = "decode(repeat('00', 32), 'hex')"
_JOURNAL = """
    INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject, payment_id,
        merchant_id, currency, amount_minor, entry_count, effective_at)
    VALUES (99, 'jrn_99', 'capture', 'evt_999', 'Any', 'f', 's', 'pay_3', 'mer_1', 'EUR', 5, 2, now())
"""
_PAIR = """
    INSERT INTO entries (journal_position, line, account_id, side, amount_minor, currency)
    SELECT 99, line, (SELECT account_id FROM accounts WHERE family = 'merchant_pending'), side::entry_side, 5, 'EUR'
    FROM (VALUES (1, 'debit'), (2, 'credit')) AS legs (line, side)
"""
_SECOND_CHARGE = """
    INSERT INTO alpha_book (kind, object_id, subject_id, subject_revision, account, reference, payment_id, currency,
        held_minor, captured_minor, refunded_minor, booked_at)
    SELECT 'captured', 'cap_9', 'cap_9', revision, 'acct', 'op_1', 'pay_1', 'EUR', 0, amount, 0, now()
    FROM (VALUES (1, 5), (2, -5)) AS moves (revision, amount)
"""
WAITING = """
    INSERT INTO waiting_facts (waiting_id, fact, source, evidence_id, cause_id, refs, received_at, next_check_at,
        deadline_at, checks) VALUES ('w', '{}', 'webhook', 'e', 'c', '{}', now(), now(), now(), 0)
"""
_MONEY_ROW = """
    INSERT INTO processor_objects (processor, account, object_id, payment_id, object_type, status, version, occurred_at,
        amount_minor, currency, fact_key, digest, role, parent_id, counted_minor, implied)
    VALUES ('alpha', 'acct', 'row_9', 'pay_1', 'money_row', 'opened', 1, now(), 5, 'EUR', 'f', 'd', 'counted', 'dsp_9',
        0, false)
"""
_DISPUTE = """
    INSERT INTO disputes (dispute_id, payment_id, merchant_id, mode, processor, account, object_id, status,
        amount_minor, currency, created_at, updated_at, withdrawn_minor, reinstated_minor, written_off_minor, fee_minor,
        implied)
    VALUES ('dp_9', 'pay_1', 'mer_1', 'test', 'alpha', 'acct', 'dsp_9', 'inquiry', 5, 'EUR', now(), now(), 0, 0, 0, 5,
        false)
"""
_HISTORY = """
    INSERT INTO status_history (payment_id, subject, subject_id, from_state, to_state, implied, cause_id, at)
    SELECT 'pay_2', 'payment', 'pay_2', steps.*, false, 'c', now()
    FROM (VALUES ('FAILED', 'CAPTURED'), ('CAPTURED', 'FAILED')) AS steps (source, target)
"""
_SAID_BY = """
    UPDATE outbox SET payload = convert_to(replace(convert_from(payload, 'UTF8'), '"{said}"', '"eve"'), 'UTF8')
    WHERE event_type = 'OperatorActed.v1' AND key = 'adj_1'
"""
_UNANSWERED = """
    INSERT INTO idempotency_keys (scope, owner_id, mode, key_digest, fingerprint, endpoint, state, lease_owner,
        lease_until, created_at, expires_at)
    SELECT scope, 'mer_1', 'test', scope, sha256('x'), 'POST /x', 'in_flight', 'req_9', now() + lease, now(),
        now() + interval '1 day'
    FROM (VALUES ('left', interval '-1 second'), ('living', interval '1 hour')) AS keys (scope, lease)
"""
DROPPED = f"""
    INSERT INTO outbox_archives (partition_name, file_name, sha256, rows, dropped_at)
    VALUES ('outbox_20261120', 'outbox_20261120.zst', {_NO_HASH}, 0, now())
"""
PLANTS = (
    plant(LIVENESS, "processor",
          "UPDATE attempts SET state = 'open', closing = NULL, closed_at = NULL WHERE operation_id = 'op_5'",
          also="I6.commands_have_closed_attempts"),
    plant("I1.journals_zero_sum", "ledger", "UPDATE journals SET entry_count = 4 WHERE rule = 'capture'"),
    plant("I1.journals_zero_sum", "ledger",
          f"UPDATE entries SET amount_minor = 971 WHERE {_of_rule('capture')} AND amount_minor = 970",
          also="I1.ledger_zero_sum"),
    plant("I1.ledger_zero_sum", "ledger", _PAIR),
    plant("I1.reversals_exact", "ledger",
          f"UPDATE entries SET amount_minor = 900 WHERE {_of_rule('capture_in_doubt_reversed')}",
          also="I3.open_keys_as_entries_say I3.in_doubt_returned"),
    plant("I2.snapshots_as_entries_say", "ledger", "UPDATE account_snapshots SET debit_minor = 6"),
    plant("I2.snapshots_as_entries_say", "ledger", "UPDATE account_snapshots SET entries = 3"),
    plant("I18.seals_in_a_chain", "ledger", "UPDATE seals SET digest = hash WHERE position = 2"),
    plant("I18.seals_in_a_chain", "ledger", "DELETE FROM seals WHERE position = 1", also="I2.snapshots_as_entries_say"),
    plant("I18.seals_in_a_chain", "ledger", "UPDATE seals SET journal_position = 999 WHERE position = 2",
          also="I2.snapshots_as_entries_say I18.heads_are_seals"),
    plant("I18.every_journal_is_sealed", "ledger", "UPDATE seal_shards SET settled_position = 1"),
    plant("I18.heads_are_seals", "ledger", "UPDATE seal_heads SET hash = repeat('0', 64)"),
    plant("I3.captures_booked_once", "ledger", "UPDATE journals SET merchant_id = 'mer_2' WHERE rule = 'capture'"),
    plant("I3.captures_booked_once", "ledger",
          f"DELETE FROM entries WHERE {_of_rule('capture')}", "DELETE FROM journals WHERE subject = 'cap_1'",
          also="I3.claims_clear I3.open_keys_as_entries_say I3.amounts_equal_ledger I3.fees_equal"
               " I26.accounts_agree I26.journals_heard I26.our_side_is_ours"),
    plant("I3.captures_booked_once", "ledger",
          "UPDATE journals SET amount_minor = 1 WHERE rule = 'capture_settled'", also="I26.journals_heard"),
    plant("I3.settled_as_lines_say", "payment", "UPDATE settlement_lines SET gross_minor = 799",
          also="I3.claims_clear I26.read_as_told"),
    plant("I3.settled_as_lines_say", "payment", "UPDATE payments SET settled_minor = 1 WHERE payment_id = 'pay_1'"),
    plant("I3.settlement_told", "payment",
          """UPDATE outbox SET payload = '{"payment_id": "pay_4", "fact_key": "x"}'::bytea"""
          " WHERE event_type = 'CaptureSettled.v1'",
          also="I3.available_as_settled I3.fee_as_captured I3.no_journal_without_cause"),
    plant("I3.fee_as_captured", "payment",
          """UPDATE outbox SET payload = convert_to(replace(convert_from(payload, 'UTF8'), '"fee_minor": 8',"""
          """ '"fee_minor": 9'), 'UTF8') WHERE event_type = 'CaptureSettled.v1'""", also="I3.available_as_settled"),
    plant("I3.available_as_settled", "ledger",
          f"UPDATE entries SET amount_minor = 791 WHERE {_of_rule('capture_settled')}"),
    plant("I3.claims_clear", "ledger", "DELETE FROM line_matches", also="I26.read_as_told"),
    plant("I3.closed_months_stand", "ledger",
          "INSERT INTO closed_periods VALUES ('2998-12', 'cls_9', '2998-12-01Z', '2999-01-01Z', 0, 0, repeat('0', 64),"
          " '3000-01-01Z')"),
    plant("I3.closed_months_stand", "ledger",
          "INSERT INTO closed_periods VALUES ('1998-12', 'cls_9', '1998-12-01Z', '1999-01-01Z', 0, 9, repeat('0', 64),"
          " '2000-01-01Z')"),
    plant("I3.lines_stand_once", "ledger",
          "INSERT INTO journals SELECT (jsonb_populate_record(j, '{\"position\": 98, \"journal_id\": \"jrn_98\","
          " \"fact_key\": \"rep:1:2\", \"cause_event_id\": \"evt_l2\"}')).* FROM journals j"
          " WHERE subject = 'line:rep:1'",
          "INSERT INTO entries SELECT 98, line, account_id, side, amount_minor, currency, clearing_key FROM entries"
          f" WHERE {_of_rule('settlement_line')}",
          also="I3.claims_clear I26.accounts_agree I26.booked_lines_were_told I26.journals_heard"),
    plant("I3.open_keys_as_entries_say", "ledger", "UPDATE clearing_keys SET net_minor = net_minor + 1"),
    plant("I3.open_keys_as_entries_say", "ledger", "DELETE FROM clearing_keys WHERE clearing_key = 'line:rep:1'"),
    plant("I3.refunds_booked_once", "ledger",
          "UPDATE journals SET amount_minor = 401 WHERE rule = 'refund_succeeded'", also="I26.journals_heard"),
    plant("I3.doubts_and_strays_booked_once", "ledger",
          "UPDATE journals SET amount_minor = 501 WHERE rule = 'stray_found'", also="I26.journals_heard"),
    plant("I3.failures_taken_back", "ledger",
          f"DELETE FROM entries WHERE {_of_rule('refund_requested_reversed')}",
          "DELETE FROM journals WHERE rule = 'refund_requested_reversed'",
          also="I3.open_keys_as_entries_say I3.no_refund_in_flight I3.fees_equal I26.journals_heard"),
    plant("I3.one_journal_per_fact", "ledger",
          "ALTER TABLE journals DROP CONSTRAINT IF EXISTS journals_once_per_fact",
          "UPDATE journals SET fact_key = 're_1' WHERE subject = 're_2' AND reverses_position IS NULL",
          also="I3.refunds_booked_once"),
    plant("I3.no_journal_without_cause", "ledger",
          "UPDATE journals SET cause_event_id = 'evt_999' WHERE rule = 'stray_found'",
          also="I3.doubts_and_strays_booked_once I26.journals_heard"),
    plant("I3.no_charge_for_uncaptured", "ledger", _JOURNAL, _PAIR,
          also="I3.no_journal_without_cause I26.journals_heard"),
    plant("I3.amounts_equal_ledger", "ledger",
          "UPDATE entries SET account_id = (SELECT account_id FROM accounts WHERE family = 'merchant_pending'),"
          f" clearing_key = NULL WHERE {_of_rule('capture')} AND line = 1",
          also="I3.claims_clear I3.open_keys_as_entries_say I26.accounts_agree I26.our_side_is_ours"),
    plant("I3.in_doubt_returned", "ledger",
          f"UPDATE entries SET clearing_key = 'op_9' WHERE {_of_rule('capture_in_doubt')}",
          also="I3.open_keys_as_entries_say I1.reversals_exact"),
    plant("I3.no_refund_in_flight", "ledger",
          f"UPDATE entries SET clearing_key = 're_9' WHERE {_of_rule('refund_succeeded')} AND line = 1", also="I3.open_keys_as_entries_say"),
    plant("I3.suspense_equals_strays", "ledger",
          f"UPDATE entries SET clearing_key = 'str_9' WHERE {_of_rule('stray_found')} AND line = 2", also="I3.open_keys_as_entries_say"),
    plant("I3.fees_equal", "payment", "UPDATE payments SET fee_total_minor = 31 WHERE payment_id = 'pay_1'"),
    plant("I3.amounts_equal_events", "payment",
          """UPDATE outbox SET payload = '{"payment_id": "pay_3", "amount_minor": 701}'::bytea"""
          " WHERE event_type = 'PaymentAuthorized.v1' AND key = 'pay_3'"),
    plant("I3.releases_equal_events", "payment",
          """UPDATE outbox SET payload = '{"payment_id": "pay_4", "amount_minor": 101}'::bytea"""
          " WHERE event_type = 'HoldReleased.v1'"),
    plant("I3.releases_equal_events", "payment",
          "UPDATE outbox SET event_type = 'PaymentCanceled.v1' WHERE event_type = 'HoldReleased.v1'",
          also="I7.outcome_as_declared I9.bytes_equal_outbox"),
    plant("I3.amounts_equal_objects", "payment",
          "UPDATE processor_objects SET counted_minor = 399 WHERE object_id = 'ref_1'", also="I3.claims_clear"),
    plant("I4.book_equals_payments", "sandbox",
          "UPDATE alpha_book SET captured_minor = 1001 WHERE object_id = 'cap_1'",
          also="I4.operations_took_effect"),
    plant("I4.holds_equal", "sandbox", "UPDATE alpha_book SET held_minor = 600 WHERE object_id = 'auth_3'"),
    plant("I4.objects_equal", "sandbox", "UPDATE alpha_objects SET amount_minor = 701 WHERE id = 'auth_3'"),
    plant("I4.operations_took_effect", "sandbox",
          "UPDATE alpha_book SET reference = 'op_3' WHERE object_id = 'ref_1'", also="I5.one_key_per_call"),
    plant("I5.one_effect_per_reference", "sandbox", _SECOND_CHARGE),
    plant("I5.one_key_per_call", "sandbox", "UPDATE alpha_book SET sent_under = 'op_1:2' WHERE object_id = 'cap_1'"),
    plant("I5.processor_limits", "sandbox", "UPDATE alpha_book SET held_minor = -1001 WHERE object_id = 'cap_1'",
          also="I4.holds_equal"),
    plant("I5.references_are_ours", "sandbox", "UPDATE alpha_book SET reference = 'op_9' WHERE object_id = 'ref_2'"),
    plant("I5.attempts_were_asked_for", "processor",
          "UPDATE attempts SET amount_minor = 401 WHERE operation_id = 'op_2'"),
    plant("I5.amounts_in_bounds", "payment",
          "UPDATE payments SET authorization_released = true WHERE payment_id = 'pay_3'", also="I3.releases_equal_events"),
    plant("I5.claimed_strays_not_returned", "payment",
          """UPDATE outbox SET payload = '{"stray_id": "str_1", "dispute_id": "dp_2", "outcome": "lost"}'::bytea"""
          " WHERE event_type = 'DisputeClosed.v1'"),
    plant("I5.strays_gone_twice_have_a_case", "payment", "UPDATE strays SET reserved_minor = 1",
          also="I3.suspense_equals_strays"),
    plant("I5.captures_in_bounds", "payment",
          "UPDATE processor_objects SET counted_minor = 599 WHERE object_id = 'cap_1'", also="I3.claims_clear I3.amounts_equal_objects"),
    plant("I6.operations_decided", "payment", WAITING, also=LIVENESS),
    plant("I6.answered_reviews_are_closed", "payment",
          "INSERT INTO cases (case_id, payment_id, reason, subject, operation_id, exposure_minor, currency, opened_at)"
          " SELECT 'case_9', payment_id, 'ladder_exhausted', operation_id, operation_id, 1, 'EUR', now()"
          " FROM operations WHERE operation_id = 'op_5'"),
    plant("I6.commands_have_closed_attempts", "processor", "DELETE FROM attempts WHERE operation_id = 'op_5'"),
    plant("I7.outbox_in_topic", "payment",
          "UPDATE outbox SET sent_at = NULL, sent_epoch = NULL WHERE event_type = 'StrayFound.v1'", also=LIVENESS),
    plant("I7.topic_in_inbox", "payment", "DELETE FROM inbox WHERE topic = 'webhook.events' AND stream_version = 2",
          also=f"I16.committed_offsets {LIVENESS}"),
    plant("I7.inbox_in_outbox", "ledger",
          f"UPDATE inbox SET payload_sha256 = {_NO_HASH} WHERE key = 'pay_3' AND stream_version = 1"),
    plant("I7.outcome_as_declared", "ledger", "UPDATE inbox SET outcome = 'ignored' WHERE outcome = 'applied'"),
    plant("I9.outbox_gap_free", "ledger",
          "UPDATE outbox_streams SET last_version = last_version + 1 WHERE key = 'pay_2'", also=LIVENESS),
    plant("I10.applied_versions_consecutive", "ledger",
          "UPDATE inbox SET stream_version = 99 WHERE key = 'pay_3' AND stream_version = 1"),
    plant("I11.payment_histories", "payment",
          "UPDATE status_history SET to_state = 'CANCELED' WHERE subject_id = 'pay_3' AND to_state = 'AUTHORIZED'"),
    plant("I11.payment_histories", "payment", _HISTORY),
    plant("I11.operation_histories", "payment",
          "DELETE FROM status_history WHERE subject_id = 'op_5' AND to_state = 'SENT'"),
    plant("I11.legal_table", "payment", "INSERT INTO legal_transitions VALUES ('payment', 'FAILED', 'CAPTURED')"),
    plant("I11.status_follows_amounts", "payment",
          "UPDATE payments SET settled_minor = 1000 WHERE payment_id = 'pay_1'", also="I3.settled_as_lines_say"),
    plant("I11.refund_follows_operation", "payment",
          "UPDATE refunds SET state = 'SUCCEEDED' WHERE refund_id = 're_2'"),
    plant("I12.one_key_one_payment", "payment",
          """UPDATE idempotency_keys SET body = '{"id":"pay_2"}'::bytea WHERE resource_id = 'pay_3'"""),
    plant("I12.one_key_one_payment", "payment",
          """UPDATE idempotency_keys SET resource_id = 'pay_1', body = '{"id":"pay_1"}'::bytea"""
          " WHERE resource_id = 'pay_3'", also="I12.one_operation_per_key"),
    plant("I12.sent_again_once_stored", "payment",
          "UPDATE idempotency_keys SET state = 'in_flight' WHERE resource_id = 'pay_1'"),
    plant("I12.one_operation_per_key", "payment", "DELETE FROM idempotency_keys WHERE resource_id = 're_1'"),
    *(plant(LIVENESS, service, _UNANSWERED) for service in SERVICES if service not in WITHOUT_KAFKA),
    plant("I14.deliveries_told_once", "webhook_ingest",
          "UPDATE deliveries SET verdict = 'quarantined' WHERE delivery_id = 'whd_2'"),
    plant("I14.acknowledged_is_stored", "sandbox",
          "INSERT INTO alpha_webhooks (event_id, state, due_at) VALUES ('aevt_9', 'sent', now())"),
    plant("I14.told_facts_are_evidence", "payment", "DELETE FROM evidence WHERE object_id = 'cap_1'",
          also="I14.counted_money_has_evidence"),
    plant("I14.counted_money_has_evidence", "payment", "DELETE FROM evidence WHERE object_id = 'auth_3'"),
    plant("I15.parked_has_a_key", "ledger",
          f'INSERT INTO parked_records ({_RECORD_COLUMNS}, partition, "offset")'
          f" VALUES ('ledger', 'evt_999', 'payment.events', 'pay_1', '{{}}', {_NO_HASH}, 0, 0)",
          also="I15.nothing_parked"),
    plant("I15.poison_has_dead_letter", "ledger", _PARKED.format("poison"), also=f"I15.nothing_parked {LIVENESS}"),
    plant("I15.nothing_parked", "ledger", _PARKED.format("gap"), also=LIVENESS),
    plant("I15.nothing_quarantined", "ledger",
          f"INSERT INTO quarantined_records ({_RECORD_COLUMNS}, reason)"
          f" VALUES ('ledger', 'evt_001', 'payment.events', 'pay_1', '{{}}', {_NO_HASH}, 'payload_mismatch')"),
    plant("I3.taken_back_equals_disputes", "payment",
          "UPDATE payments SET reversed_minor = 205 WHERE payment_id = 'pay_1'"),
    plant("I3.disputes_equal_rows", "payment", _MONEY_ROW, also="I4.objects_equal"),
    plant("I3.disputes_equal_ledger", "payment", _DISPUTE),
    plant("I3.disputes_booked_once", "ledger",
          f"DELETE FROM entries WHERE {_of_rule('dispute_written_off')}",
          "DELETE FROM journals WHERE rule = 'dispute_written_off'", also="I3.open_keys_as_entries_say I3.disputes_equal_ledger"
               " I26.journals_heard"),
    plant("I4.book_equals_disputes", "sandbox",
          "UPDATE alpha_book SET withdrawn_minor = 5 WHERE object_id = 'cap_1'"),
    plant("I25.one_decision_per_version", "risk", "DELETE FROM rule_sets"),
    plant("I25.decisions_pinned", "risk", "UPDATE decisions SET cause_event_id = 'evt_000'"),
    plant("I25.decisions_told_once", "risk", "UPDATE decisions SET decision = 'block', reasons = '{x}'",
          also="I25.stands_on_its_decision"),
    plant("I25.nothing_sent_before_allowed", "payment",
          "UPDATE operations SET risk = 'BLOCKED', state = 'ABANDONED' WHERE operation_id = 'op_5'",
          also="I11.operation_histories I25.stands_on_its_decision"),
    plant("I25.stands_on_its_decision", "risk", "UPDATE decisions SET decision = 'review', reasons = '{x}'",
          also="I25.decisions_told_once"),
    plant("I25.refused_keeps_nothing", "payment",
          "UPDATE operations SET risk = 'DENIED' WHERE operation_id = 'op_5'", also="I25.stands_on_its_decision"),
    plant("I25.no_wait_past_deadline", "payment",
          "UPDATE operations SET risk = 'WAITING', state = 'REQUESTED' WHERE operation_id = 'op_5'",
          also=f"I25.nothing_sent_before_allowed I25.stands_on_its_decision I11.operation_histories I6.operations_decided {LIVENESS}"),
    plant("I25.every_question_decided", "risk", "DELETE FROM decisions", also="I25.decisions_told_once I25.stands_on_its_decision"),
)  # fmt: skip


#: About manual journals, and what passes itself off as one.
MANUAL = (
    plant("I3.no_journal_without_cause", "ledger",
          "UPDATE journals SET cause_event_id = 'evt_999', cause_event_type = 'OperatorActed.v1'"
          " WHERE rule = 'stray_found'", also="I3.doubts_and_strays_booked_once I26.journals_heard"),
    plant("I3.manual_journals_as_approved", "ledger",
          "UPDATE adjustments SET amount_minor = 1 WHERE adjustment_id = 'adj_1'"),
    plant("I3.manual_journals_as_approved", "ledger",
          "UPDATE adjustments SET parameters = '{\"merchant_id\": \"y\", \"clearing_key\": \"str_1\"}'"
          " WHERE adjustment_id = 'adj_1'"),
    plant("I3.manual_journals_as_approved", "ledger",
          f"UPDATE entries SET amount_minor = 1000 WHERE {_of_rule('adjustment:suspense_to_merchant')}"),
    plant("I3.manual_journals_as_approved", "ledger",
          "UPDATE adjustments SET journal_id = 'jrn_x' WHERE adjustment_id = 'adj_1'",
          also="I3.manual_journals_by_two"),
    plant("I3.manual_journals_as_approved", "ledger",
          "UPDATE adjustments SET reverses_adjustment_id = 'adj_1' WHERE adjustment_id = 'adj_21'"),
    plant("I3.manual_journals_by_two", "ledger", _SAID_BY.format(said="bob")),
    plant("I3.manual_journals_by_two", "ledger", _SAID_BY.format(said="ada")),
)  # fmt: skip


#: About journals of another ledger, and what passes itself off as one.
BROUGHT = (
    plant("I3.imported_journals_as_brought", "ledger",
          "UPDATE journals SET subject = 'imp_9' WHERE fact_key = 'old:0'", also="I3.imports_by_two_people"),
    plant("I3.imported_journals_as_brought", "ledger",
          "UPDATE journals SET payment_id = 'pay_1' WHERE fact_key = 'old:1'"),
    plant("I3.imported_journals_as_brought", "ledger",
          "UPDATE journals SET rule = 'imported' WHERE rule = 'stray_found'",
          also="I3.no_journal_without_cause I3.doubts_and_strays_booked_once I3.suspense_equals_strays"
               " I26.accounts_agree I26.journals_heard I26.our_side_is_ours"),
    plant("I3.imports_by_two_people", "ledger", "UPDATE imports SET begun_by = 'eve'"),
    plant("I3.imports_by_two_people", "ledger", f"UPDATE imports SET file_sha256 = {_NO_HASH}"),
    plant("I3.imports_by_two_people", "ledger", "UPDATE imports SET booked = 1"),
    plant("I3.imports_by_two_people", "ledger", "UPDATE import_proposals SET decided_by = 'eve'"),
    plant("I3.imports_by_two_people", "ledger", "UPDATE import_proposals SET journals = 1"),
    plant("I3.imports_by_two_people", "ledger", "UPDATE import_proposals SET state = 'REJECTED'"),
    plant("I3.imports_by_two_people", "ledger", "DELETE FROM import_proposals"),
    plant("I3.imports_by_two_people", "ledger", _SAID_BY.format(said="bob").replace("adj_1", "imp_1")),
)  # fmt: skip
