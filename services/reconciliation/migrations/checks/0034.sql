-- Every row found here is a broken promise: the step is rolled back.
SELECT wanted FROM unnest(ARRAY['report_files_step', 'report_files_how_read', 'report_files_keeps_how_read']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D')
UNION ALL
SELECT 'may be written by the application: ' || column_name FROM information_schema.column_privileges
 WHERE grantee = 'reconciliation_app' AND table_name = 'report_files' AND column_name IN ('read_format', 'read_options')
   AND privilege_type = 'UPDATE';
