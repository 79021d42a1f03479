WITH inserted AS (
    INSERT INTO host_systems (id, description, os, cpu_qty, cpu_clock, ram_mb, disk_info)
    SELECT new_ids.id, coalesce(description, ''), coalesce(os, ''), least(coalesce(cpu_qty, 0), 2147483647),
           least(coalesce(cpu_clock, 0), 2147483647), least(coalesce(ram_mb, 0), 2147483647), coalesce(disk_info, '')
    FROM staged_host_systems AS staged
    JOIN new_ids ON old_id = staged.id
    RETURNING true
)
UPDATE imports SET stored = stored + (SELECT count(*) FROM inserted)
WHERE database_number = {number} AND table_name = '{table}';
