-- Every row found here is a broken promise: the step is rolled back.
SELECT table_name, privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'reconciliation_app' AND privilege_type NOT IN ('SELECT', 'INSERT')
   AND table_name IN ('refund_objects', 'told_facts', 'journal_facts', 'runs', 'told_matches', 'payout_allocations',
                      'break_history');
SELECT wanted FROM unnest(ARRAY['breaks_step', 'settlement_lines_inserted', 'settlement_lines_updated',
                                'our_items_inserted', 'our_items_updated', 'claims_inserted',
                                'announced_lines_inserted']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
