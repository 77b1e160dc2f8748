-- Every row found here is a broken promise: the step is rolled back.
SELECT wanted FROM unnest(ARRAY['told_facts_inserted', 'announced_lines_touched', 'payout_allocations_inserted',
                                'journal_facts_inserted', 'bank_lines_inserted', 'bank_lines_updated', 'payouts_in',
                                'payouts_moved', 'tolerances_changed', 'agreed_fees_changed', 'given_up_inserted']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
SELECT wanted FROM unnest(ARRAY['our_items_updated', 'payouts_inserted', 'payouts_updated', 'settlement_lines_to_tell',
                                'settlement_lines_changed_to_tell']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
-- Nothing may merge two changes into one row: a run that holds the row would take both and have seen one.
SELECT relname FROM pg_class WHERE relname IN ('touched_lines', 'touched_items') AND EXISTS (
    SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisunique);
