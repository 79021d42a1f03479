-- Whether these bytes are JSON that the database can store.
CREATE FUNCTION is_jsonb(document bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM convert_from(document, 'UTF8')::jsonb;
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END
$$
