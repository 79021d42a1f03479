-- Whether there is a benchmark numbered $1.
SELECT FROM benchmarks WHERE id = $1
