WITH inserted AS (
    INSERT INTO host_systems (id, description, os, cpu_qty, cpu_clock, ram_mb, disk_info)
    SELECT new_ids.id, coalesce(description, ''), coalesce(os, ''), coalesce(least(cpu_qty, 2147483647), 0),
           coalesce(least(cpu_clock, 2147483647), 0), coalesce(least(ram_mb, 2147483647), 0), coalesce(disk_info, '')
    FROM staged_host_systems AS staged
    JOIN new_ids ON old_id = staged.id
    RETURNING true
)
UPDATE imports SET stored = stored + (SELECT count(*) FROM inserted)
WHERE database_number = {number} AND table_name = '{table}';
