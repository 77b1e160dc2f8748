-- Every row found here is a broken promise: the step is rolled back.
-- The application may propose and decide, nothing else.
SELECT privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'ledger_app' AND table_name = 'adjustments' AND privilege_type NOT IN ('SELECT', 'INSERT');
-- The guards are in place.
SELECT wanted FROM unnest(ARRAY['adjustment_step', 'adjustment_journal', 'adjustment_floor', 'journal_approved',
                                'adjustments_keeps_rows', 'adjustments_keeps_all']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
