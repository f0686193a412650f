/* What the values of one field of a sample are like. */
WITH
    parseDateTime64BestEffortOrNull(value, 3, 'UTC') AS moment,
    toFloat64OrNull(value) AS number
SELECT
    count() AS rows,
    countIf(ifNull(value, '') != '') AS filled,
    uniqIf(value, value != '') AS distinct,
    ifNull(max(length(value)), 0) AS longest,
    countIf(number IS NOT NULL) AS numbers,
    countIf(toInt64OrNull(value) IS NOT NULL OR toUInt64OrNull(value) IS NOT NULL) AS whole,
    ifNull(min(number), 0) AS lowest,
    ifNull(max(number), 0) AS highest,
    max(length(extract(ifNull(value, ''), '^-?[0-9]+[.]([0-9]+)$'))) AS decimals,
    countIf(match(value, '[eE]')) AS exponents,
    countIf(lower(value) IN ('true', 'false')) AS truths,
    countIf(moment IS NOT NULL) AS moments,
    countIf(match(value, {iso})) AS iso,
    ifNull(dateDiff('year', min(moment), now64(3, 'UTC')), 0) AS age
FROM (SELECT {value} AS value FROM sample)
