/* A file as the table `input` of a throw-away engine. */
CREATE TABLE input ENGINE = Memory AS
SELECT * FROM file({path}, {format})
{settings}
