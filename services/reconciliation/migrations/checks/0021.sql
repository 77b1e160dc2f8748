-- Every row found here is a broken promise: the step is rolled back.
SELECT wanted FROM unnest(ARRAY['claims_of_line', 'claims_of_item', 'claims_of_several']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_indexes WHERE tablename = 'claims' AND indexname = wanted)
UNION ALL
SELECT match_id FROM claims WHERE rule_rank NOT IN (5, 50, 60) AND (line_id IS NULL OR item_key IS NULL);
