-- Notes counts and targets of all messages that there are.
SELECT note_log_rows(1, array_agg(node_id), array_agg(audit), array_agg(created_at), array_agg(msg)),
       note_log_targets(array_agg(audit) FILTER (WHERE logs ? 'target'), array_agg(created_at) FILTER (WHERE logs ? 'target'),
                        array_agg(msg) FILTER (WHERE logs ? 'target'),
                        array_agg(CASE jsonb_typeof(logs -> 'target') WHEN 'string' THEN logs ->> 'target' END) FILTER (WHERE logs ? 'target'))
FROM tetcore_logs
