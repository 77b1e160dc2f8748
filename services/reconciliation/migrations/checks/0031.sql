-- Every row found here is a broken promise: the step is rolled back.
SELECT table_name || ' ' || privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'reconciliation_app' AND privilege_type NOT IN ('SELECT', 'INSERT')
   AND table_name = 'asked_preferences'
UNION ALL
SELECT wanted FROM unnest(ARRAY['asked_preferences_keeps_rows', 'asked_preferences_undecided',
                                'asked_preferences_ended', 'breaks_no_preference_waits']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
