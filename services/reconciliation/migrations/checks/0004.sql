-- Every row found here is a broken promise: the step is rolled back.
SELECT table_name, privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'reconciliation_app' AND privilege_type NOT IN ('SELECT', 'INSERT')
   AND table_name IN ('daily_runs', 'day_figures', 'closed_periods', 'period_files', 'period_items', 'period_rolls',
                      'period_positions', 'period_breaks', 'period_late');
SELECT wanted FROM unnest(ARRAY['period_close_step', 'closed_period_fits', 'closed_period_approved',
                                'period_close_closed', 'period_files_still_open', 'period_items_still_open',
                                'period_rolls_still_open', 'period_positions_still_open', 'period_breaks_still_open',
                                'period_late_still_open']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
