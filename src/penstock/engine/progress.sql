SELECT elapsed, read_rows, read_bytes, total_rows_approx AS total_rows, memory_usage AS memory
FROM system.processes
WHERE query_id = {query_id:String}
