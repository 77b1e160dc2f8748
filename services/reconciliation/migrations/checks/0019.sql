-- Every row found here is a broken promise: the step is rolled back.
SELECT wanted FROM unnest(ARRAY['hand_matches_step', 'hand_matches_followed', 'hand_match_lines_step',
                                'hand_match_items_step', 'breaks_not_matched_by_hand']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D')
UNION ALL
SELECT wanted FROM unnest(ARRAY['hand_match_lines_once', 'hand_match_items_once']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_indexes WHERE indexname = wanted)
UNION ALL
SELECT concat(table_name, ' ', privilege_type) FROM information_schema.role_table_grants
 WHERE grantee = 'reconciliation_app' AND privilege_type NOT IN ('SELECT', 'INSERT')
   AND table_name IN ('hand_match_lines', 'hand_match_items', 'hand_match_history');
