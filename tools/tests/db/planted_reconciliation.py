"""Violations of reconciliation's own figures, and of what the others read of them, as a superuser plants them."""

from tools.tests.db.planted_violations import plant

_OTHER = "sha256('other')"
_CREDIT = "(SELECT position FROM journals WHERE rule = 'bank_credit')"
_LINE_2 = "(SELECT position FROM journals WHERE subject = 'line:rep:2')"
_SAID_BY = """
    UPDATE outbox SET payload = convert_to(replace(convert_from(payload, 'UTF8'), '"{said}"', '"eve"'), 'UTF8')
    WHERE event_type = 'OperatorActed.v1' AND key = '{key}'
"""
RECONCILED = (
    plant("I26.claimed_once", "reconciliation",
          "DROP INDEX IF EXISTS claims_of_line", "DROP INDEX IF EXISTS claims_of_item",
          "INSERT INTO claims SELECT 'again', rule, rule_rank, source, line_id, item_key, run_id FROM claims",
          also="I26.by_hand_as_agreed"),
    plant("I26.claimed_once", "reconciliation", "UPDATE claims SET item_key = 'nothing'",
          also="I26.matches_come_out I26.told_as_they_stand I26.by_hand_as_agreed"),
    plant("I26.by_hand_as_agreed", "reconciliation", "UPDATE hand_matches SET state = 'OUTDATED'"),
    plant("I26.by_hand_as_agreed", "reconciliation",
          "UPDATE hand_match_items SET item_key = 'charge:alpha:acct:cap_2'"),
    plant("I26.by_hand_as_agreed", "reconciliation", "UPDATE claims SET rule = 'same_object', rule_rank = 10"),
    plant("I26.matches_come_out", "reconciliation",
          "UPDATE our_items SET amount_minor = 802 WHERE object_id = 'cap_4'",
          also="I26.our_side_is_ours I26.accounts_agree"),
    plant("I26.matches_come_out", "reconciliation",
          "UPDATE our_items SET category = 'refund' WHERE object_id = 'cap_4'"),
    plant("I26.nothing_unexplained", "reconciliation", "DELETE FROM breaks WHERE break_id = 'brk_2'"),
    plant("I26.nothing_unexplained", "reconciliation",
          "UPDATE breaks SET state = 'SELF_CLOSED' WHERE break_id = 'brk_1'", also="I26.breaks_as_history_says"),
    plant("I26.nothing_unexplained", "reconciliation",
          "UPDATE our_items SET expected_by = now() - interval '9 years' WHERE object_id = 'cap_5' AND amount_minor > 0"),
    plant("I26.payouts_explained", "reconciliation", "UPDATE payouts SET lines_net_minor = 841, expected_on = '2999-01-01'"),
    plant("I26.payouts_explained", "reconciliation", "UPDATE payouts SET lines_net_minor = 841, closed_at = 'epoch'"),
    plant("I26.payouts_explained", "reconciliation", "DELETE FROM breaks WHERE break_id = 'brk_3'"),
    plant("I26.announced_once", "reconciliation", "UPDATE settlement_lines SET announced = false WHERE line_id = '2'"),
    plant("I26.announced_once", "reconciliation",
          "INSERT INTO settlement_lines SELECT (jsonb_populate_record(l, '{\"revision\": 2, \"stands\": false}')).*"
          " FROM settlement_lines AS l WHERE line_id = '2'"),
    plant("I26.told_as_they_stand", "reconciliation", "DELETE FROM claims",
          also="I26.nothing_unexplained I26.by_hand_as_agreed"),
    plant("I26.told_as_kept", "reconciliation", "UPDATE told_objects SET payment_id = 'pay_2'"),
    plant("I26.told_as_kept", "reconciliation", "UPDATE told_returns SET amount_minor = 49"),
    plant("I26.told_as_kept", "reconciliation", "DELETE FROM told_adjustments"),
    plant("I26.told_as_kept", "reconciliation", "UPDATE told_matches SET revision = 2", also="I26.told_as_they_stand I26.read_as_told"),
    plant("I26.breaks_as_history_says", "reconciliation",
          "UPDATE breaks SET state = 'DEFERRED', due_on = '2999-01-01' WHERE break_id = 'brk_1'"),
    plant("I26.breaks_as_history_says", "reconciliation",
          "DELETE FROM break_history WHERE to_state = 'PROPOSED' AND break_id = 'brk_2'"),
    plant("I26.decided_by_two", "reconciliation", "UPDATE terms SET decided_by = 'eve'"),
    plant("I26.decided_by_two", "reconciliation", "UPDATE hand_matches SET approved_by = 'eve'"),
    plant("I26.decided_by_two", "reconciliation", _SAID_BY.format(said="ann", key="hnd_" + "0" * 26)),
    plant("I26.decided_by_two", "reconciliation", _SAID_BY.format(said="ann", key="cls_2026-08")),
    plant("I26.decided_by_two", "reconciliation", _SAID_BY.format(said="bob", key="brk_2")),
    plant("I26.files_as_hashed", "reconciliation",
          "UPDATE report_file_chunks SET content = set_byte(content, 0, 0) WHERE chunk_number = 1"),
    plant("I26.files_as_hashed", "reconciliation", f"UPDATE period_files SET sha256 = {_OTHER}"),
    plant("I26.months_roll_forward", "reconciliation",
          "UPDATE period_rolls SET opening_minor = 5, ours_minor = 1 WHERE period = '2026-09'"),
    plant("I26.months_roll_forward", "reconciliation", "DELETE FROM period_positions WHERE period = '2026-08'"),
    plant("I26.months_roll_forward", "reconciliation",
          "UPDATE period_rolls SET account = 'alpha:other' WHERE period = '2026-09'"),
    plant("I26.booked_lines_were_told", "ledger",
          "UPDATE journals SET cause_event_id = 'evt_999' WHERE rule = 'bank_credit'",
          also="I26.told_lines_are_booked I26.journals_heard"),
    plant("I26.booked_lines_were_told", "ledger",
          f"UPDATE entries SET amount_minor = 841 WHERE journal_position = {_CREDIT}", also="I26.accounts_agree"),
    plant("I26.told_lines_are_booked", "ledger",
          f"DELETE FROM entries WHERE journal_position = {_LINE_2}",
          "DELETE FROM journals WHERE subject = 'line:rep:2'", also="I26.accounts_agree I26.journals_heard"),
    plant("I26.suspense_is_named", "ledger",
          "UPDATE entries SET account_id = (SELECT account_id FROM accounts WHERE family = 'suspense' LIMIT 1)"
          f" WHERE journal_position = {_LINE_2} AND clearing_key = 'line:rep:2'",
          also="I26.booked_lines_were_told I26.accounts_agree"),
    plant("I26.read_as_told", "ledger", "UPDATE line_matches SET clearing_key = 'alpha:acct:cap_9'",
          also="I3.claims_clear"),
    plant("I26.read_as_told", "ledger", "DELETE FROM line_matches", also="I3.claims_clear"),
    plant("I26.read_as_told", "payment", "UPDATE settlement_lines SET category = 'refund'",
          also="I3.settled_as_lines_say"),
    plant("I26.our_side_is_ours", "reconciliation",
          "UPDATE our_items SET amount_minor = -401 WHERE object_id = 'ref_1'", also="I26.accounts_agree"),
    plant("I26.journals_heard", "reconciliation", "DELETE FROM journal_facts WHERE rule = 'stray_found'"),
    plant("I26.accounts_agree", "ledger",
          f"UPDATE entries SET clearing_key = 'alpha:acct:po9' WHERE journal_position = {_CREDIT}"
          " AND clearing_key IS NOT NULL"),
)  # fmt: skip
#: What nobody has looked at since it changed is for the next run.
UNSEEN = (
    ("UPDATE our_items SET category = 'refund' WHERE object_id = 'cap_4'",
     "INSERT INTO touched_items (item_key, fresh) VALUES ('charge:alpha:acct:cap_4', false)"),
    ("DELETE FROM breaks WHERE break_id = 'brk_2'",
     "INSERT INTO touched_lines (source, line_id, fresh) VALUES ('rep', '2', false)"),
    ("DELETE FROM breaks WHERE break_id = 'brk_3'", "INSERT INTO touched_bank VALUES ('bank_lines')"),
    ("DELETE FROM claims", "INSERT INTO untold_lines (source, line_id) VALUES ('rep', '1')",
     "INSERT INTO touched_lines (source, line_id, fresh) VALUES ('rep', '1', false)"),
)  # fmt: skip
