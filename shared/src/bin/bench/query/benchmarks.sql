-- 1,000 machines, 1,000 benchmarks, and 1,000 events of the first of them. The first goes over all the 25 days of messages, the
-- others over an hour in their middle, $1.
WITH machine AS (
    INSERT INTO host_systems (id, description, os, cpu_qty, cpu_clock, ram_mb, disk_info)
    SELECT number, 'machine ' || number, 'Debian GNU/Linux 12 (bookworm)', 8, 3600, 32768, 'NVMe'
    FROM generate_series(1, 1000) AS number
), run AS (
    INSERT INTO benchmarks (id, benchmark_spec, chain_spec, description, host_system_id, ts_start, ts_end)
    SELECT number, jsonb_build_object('extrinsic', 'transfer', 'steps', number), '{"name": "Development", "id": "dev"}',
           'run ' || number, number, $1::timestamptz - half, $1::timestamptz + half
    FROM generate_series(1, 1000) AS number
    CROSS JOIN LATERAL (SELECT CASE number WHEN 1 THEN interval '12 days 12 hours' ELSE interval '30 minutes' END AS half) AS span
)
INSERT INTO benchmark_events (benchmark_id, name, phase, created_at)
SELECT 1, 'event ' || number, 'begin', $1::timestamptz - number * interval '1 minute'
FROM generate_series(1, 1000) AS number
