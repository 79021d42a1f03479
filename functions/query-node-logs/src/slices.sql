-- In which spans of time slices of a node's messages are, from "since", included, to "until", not included, and how many messages
-- each holds.
-- $1: its key, $2: from, included, $3: to, not included, null for no end, $4: the first 256 characters of types, null for all,
-- $5: target, null for all.
SELECT since, until + interval '1 microsecond' AS until, quantity::bigint AS quantity
FROM log_slices
WHERE node_id = $1
  AND until >= coalesce($2::timestamptz, '-infinity')
  AND since < coalesce($3::timestamptz, 'infinity')
  -- No partition is wider, and so no slice: the others need not be looked at.
  AND since >= coalesce($2, '-infinity') - interval '30 days'
  AND ($4::text[] IS NULL OR types && $4)
  AND ($5::text IS NULL OR targets @> ARRAY[left($5, 256)])
