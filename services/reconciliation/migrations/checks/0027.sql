-- Every row found here is a broken promise: the step is rolled back.
SELECT table_name || ' ' || privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'reconciliation_app' AND privilege_type NOT IN ('SELECT', 'INSERT')
   AND table_name IN ('closed_periods', 'period_days', 'period_explained')
UNION ALL
SELECT wanted FROM unnest(ARRAY['period_days_still_open', 'period_explained_still_open', 'period_days_keeps_rows',
                                'period_explained_keeps_rows', 'closed_periods_keeps_kept']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
