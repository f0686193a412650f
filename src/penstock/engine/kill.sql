SELECT row.1 AS kill_status, row.2 AS query_id, row.3 AS user, row.4 AS query
FROM (SELECT arrayJoin(JSONExtract({rows:String}, 'Array(Tuple(String, String, String, String))')) AS row)
