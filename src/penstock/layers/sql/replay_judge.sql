/* The next dead letters of a source as bronze would judge them now: `_was` is what they are called.
   How far they go is found by their lengths first, so that large records are never held together. */
INSERT INTO {judged} ({columns}, _was)
WITH
(
    SELECT max((_part, _pos))
    FROM
    (
        SELECT _part, _pos, sum(size) OVER (ORDER BY _part, _pos) - size AS before
        FROM
        (
            SELECT _part, _pos, length(_raw) AS size
            FROM {bronze}
            WHERE {letters}
            ORDER BY _part, _pos
            LIMIT {rows:UInt64}
        )
    )
    WHERE before < {size:UInt64}
) AS last
SELECT {columns}, _error
FROM {bronze}
WHERE {letters} AND (_part, _pos) <= last
ORDER BY _part, _pos
SETTINGS max_threads = 1
