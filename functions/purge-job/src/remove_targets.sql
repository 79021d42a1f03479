-- Forgets the targets of months that have ended before the horizon, $1.
DELETE FROM log_targets WHERE NOT audit AND (month + interval '1 month') AT TIME ZONE 'UTC' <= $1
