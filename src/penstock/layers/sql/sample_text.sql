/* A sample as the records that bronze will see: `doc` holds every field as text. */
CREATE TABLE sample ENGINE = Memory AS
SELECT CAST({doc}, {type}) AS doc
FROM file({path}, {format})
LIMIT 1000000
{settings}
