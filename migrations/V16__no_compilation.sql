-- Compiling a plan over hundreds of partitions and slices takes seconds, and saves less: no session does, dashboards' included.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET jit = off', current_database());
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'Statements over many partitions are slow until the owner of the database sets it: ALTER DATABASE % SET jit = off',
        current_database();
END
$$;
