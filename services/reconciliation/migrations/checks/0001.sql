-- Every row found here is a broken promise: the step is rolled back.
SELECT table_name, privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'reconciliation_app' AND privilege_type NOT IN ('SELECT', 'INSERT')
   AND table_name IN ('report_file_chunks', 'report_lines', 'statement_lines', 'stated_payouts', 'stated_statements',
                      'quarantined_lines', 'control_totals', 'announced_lines');
SELECT wanted FROM unnest(ARRAY['report_files_step', 'settlement_lines_step', 'bank_lines_step']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
