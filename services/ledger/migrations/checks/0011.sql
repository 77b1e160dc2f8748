-- Every row found here is a broken promise: the step is rolled back.
-- The application may propose, decide, close, sign and note what is late, nothing else.
SELECT table_name, privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'ledger_app' AND privilege_type NOT IN ('SELECT', 'INSERT')
   AND table_name IN ('period_closes', 'closed_periods', 'close_signatures', 'late_journals');
-- The guards are in place.
SELECT wanted FROM unnest(ARRAY['journals_in_open_period', 'late_journals_fit', 'period_close_step',
                                'closed_period_fits', 'closed_period_approved', 'period_close_closed',
                                'closed_periods_keeps_rows', 'late_journals_keeps_rows']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
