-- Every row found here is a broken promise: the step is rolled back.
SELECT wanted FROM unnest(ARRAY['announced_lines_mark', 'settlement_lines_added_announced',
                                'settlement_lines_announced_as_told']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D')
UNION ALL
SELECT concat_ws(':', source, line_id, revision)
  FROM settlement_lines AS l FULL JOIN announced_lines AS a USING (source, line_id, revision)
 WHERE coalesce(l.announced, false) <> (a.event_id IS NOT NULL);
