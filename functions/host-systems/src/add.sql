-- Adds a machine, and says what it is now known as.
INSERT INTO host_systems (description, os, cpu_qty, cpu_clock, ram_mb, disk_info)
VALUES ($1, $2, $3, $4, $5, $6)
RETURNING id, description, os, cpu_qty, cpu_clock, ram_mb, disk_info
