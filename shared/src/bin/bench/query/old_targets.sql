-- The targets of the tracing messages of a time.
SELECT DISTINCT logs ->> 'target' FROM substrate_logs WHERE logs ->> 'msg' = 'tracing.profiling' AND {filters}
