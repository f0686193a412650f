/*
description: {relation} holds rows.
severity: warning
*/
-- Each row is a failure: here the one row that says there is none.
SELECT count() AS found
FROM {relation}
HAVING found = 0
