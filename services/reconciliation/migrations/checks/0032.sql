-- Every row found here is a broken promise: the step is rolled back.
SELECT wanted FROM unnest(ARRAY['report_files_step', 'report_files_number', 'report_files_keeps_number']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D')
UNION ALL
SELECT 'staged and not numbered: ' || file_id FROM report_files WHERE state = 'STAGED' AND staged_nth IS NULL
UNION ALL
SELECT 'may be numbered by the application' FROM information_schema.column_privileges
 WHERE grantee = 'reconciliation_app' AND table_name = 'report_files' AND column_name = 'staged_nth'
   AND privilege_type = 'UPDATE';
