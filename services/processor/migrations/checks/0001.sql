-- Every row found here is a broken promise: the step is rolled back.
SELECT table_name, privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'processor_app' AND table_name IN ('attempt_log', 'feed_facts', 'feed_rejects')
   AND privilege_type NOT IN ('SELECT', 'INSERT');
SELECT privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'processor_app' AND table_name = 'attempts' AND privilege_type IN ('DELETE', 'TRUNCATE');
SELECT wanted FROM unnest(ARRAY['attempts_move', 'attempt_log_keeps_rows']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
