-- Every row found here is a broken promise: the step is rolled back.
-- The guards are in place.
SELECT wanted FROM unnest(ARRAY['adjustment_legs_fit', 'adjustment_ceiling', 'adjustment_legs_keeps_rows',
                                'adjustment_legs_keeps_all']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
-- Every template that adjustments may name has both its legs.
SELECT template FROM adjustment_legs GROUP BY template HAVING count(*) <> 2;
-- The application reads them, nothing else.
SELECT privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'ledger_app' AND table_name = 'adjustment_legs' AND privilege_type <> 'SELECT';
