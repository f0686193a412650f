/* A file as `input` in a throw-away engine: a view, so that it is read as it is sent on. */
CREATE VIEW input AS
SELECT * FROM file({path}, {format})
{settings}
