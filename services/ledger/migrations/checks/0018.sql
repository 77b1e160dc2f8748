-- Every row found here is a broken promise: the step is rolled back.
-- Nobody is taken for a second person who was none.
SELECT import_id FROM imports WHERE two_people;
-- The application may propose and decide, nothing else.
SELECT privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'ledger_app' AND table_name = 'import_proposals' AND privilege_type NOT IN ('SELECT', 'INSERT');
-- The guards are in place.
SELECT wanted FROM unnest(ARRAY['import_approved', 'import_proposal_step', 'imports_two_people_stays',
                                'import_proposals_keeps_rows', 'import_proposals_keeps_all']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
