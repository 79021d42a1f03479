-- Gives the roles that the migrations made the passwords that the functions log in with, out of the functions' own URLs.
\getenv flush FLUSH_URL
\getenv query QUERY_URL
\getenv admin ADMIN_URL

SELECT format('ALTER ROLE %I PASSWORD %L', parts[1], parts[2])
FROM unnest(ARRAY[:'flush', :'query', :'admin']) AS url,
    LATERAL regexp_match(url, '^postgres(?:ql)?://([^:@/]+):([^:@/]+)@') AS parts
\gexec
