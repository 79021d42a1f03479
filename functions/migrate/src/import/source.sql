-- Which database this is: the same one for ever, on its replicas and in its snapshots.
SELECT format('%s/%s/%s', system_identifier, current_database(), current_schema()) FROM pg_control_system()
