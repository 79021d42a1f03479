-- The types of messages that have a target. $1: the target, $2: how many at the most.
--
-- Those whose targets are no strings may have it as well.
SELECT DISTINCT msg FROM log_targets WHERE target = left($1, 256) OR target IS NULL LIMIT $2
