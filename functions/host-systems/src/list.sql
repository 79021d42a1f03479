-- The machines behind the one numbered $1, null for all, in the order of their numbers. $2: rows.
SELECT id, description, os, cpu_qty, cpu_clock, ram_mb, disk_info
FROM host_systems
WHERE $1::integer IS NULL OR id > $1
ORDER BY id
LIMIT $2
