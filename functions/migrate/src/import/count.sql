-- How many rows the old table has up to {end}, and how many of them behind {before}.
SELECT count(*), count(*) FILTER (WHERE id > {before}) FROM {table} WHERE id <= {end}
