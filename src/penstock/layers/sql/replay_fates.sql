/* What becomes of judged dead letters: by the reason they have, and the one they would have now. */
SELECT
    splitByString(': ', _was)[1] AS reason,
    splitByString(': ', _error)[1] AS now,
    count() AS rows,
    argMin(_part, (_part, _pos)) AS part,
    argMin(_pos, (_part, _pos)) AS pos,
    argMin(_error, (_part, _pos)) AS error
FROM {judged}
GROUP BY reason, now
ORDER BY rows DESC, reason, now
