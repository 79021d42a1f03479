-- What one node sent, newest first, whether it is in rows or in slices. Filters stand here only where they are given, so that one plan
-- serves all that are alike: with some hundred partitions, to plan takes longer than to read.
-- $1: its key, $2: msg, $3: target, $4: from, included, $5: to, not included, null for no end,
-- $6 and $7: time and id of the last row of the page before, $8: rows.
SELECT id, created_at, peer_connection_id, msg, logs::text
FROM (
    (
        SELECT id, created_at, peer_connection_id, msg, logs
        FROM log_rows
        WHERE node_id = $1
          AND {msg}
          AND {target}
          AND created_at >= coalesce($4::timestamptz, '-infinity')
          AND created_at < coalesce($5::timestamptz, 'infinity')
          AND {after}
        ORDER BY created_at DESC, id DESC
        LIMIT $8
    )
    UNION ALL
    (
        SELECT log.*
        FROM (
            SELECT ids, times, peer_connection_ids, msgs, logs AS packed_logs
            FROM log_slices
            WHERE node_id = $1
              AND until >= coalesce($4, '-infinity')
              AND since < coalesce($5, 'infinity')
              -- No partition is wider, and so no slice: the others need not be looked at.
              AND since >= coalesce($4, '-infinity') - interval '30 days'
              AND ($2 IS NULL OR types @> ARRAY[left($2, 256)])
              AND ($3 IS NULL OR targets @> ARRAY[left($3, 256)])
        ) AS slice
        CROSS JOIN LATERAL unnest(ids, times, peer_connection_ids, msgs, packed_logs)
            AS log (id, created_at, peer_connection_id, msg, logs)
        WHERE {msg}
          AND {target}
          AND created_at >= coalesce($4, '-infinity')
          AND created_at < coalesce($5, 'infinity')
          AND {after}
        ORDER BY created_at DESC, id DESC
        LIMIT $8
    )
    ORDER BY created_at DESC, id DESC
    LIMIT $8
) AS newest
ORDER BY created_at DESC, id DESC
