-- What an analyst asks of the homes: one statement a line; none may be refused, and each must give
-- through the guard what it gives without.

-- counting and summing
SELECT count() FROM readings
SELECT COUNT(*) FROM readings
select count(1), Sum(energy), MIN(temperature), max(temperature) from readings
SELECT count(), count(temperature), count(DISTINCT home_id) FROM homes.readings
SELECT region, count() FROM readings GROUP BY region ORDER BY region
SELECT region, sum(energy) AS wh FROM readings GROUP BY region HAVING wh > 100 ORDER BY wh DESC
SELECT region, round(avg(temperature), 2) AS mean FROM readings GROUP BY ALL ORDER BY ALL
SELECT home_id, sum(energy) FROM readings GROUP BY home_id ORDER BY 2 DESC, 1 LIMIT 5
SELECT home_id, sum(energy) AS wh FROM readings GROUP BY home_id ORDER BY wh DESC, home_id LIMIT 3 OFFSET 2
SELECT home_id FROM readings GROUP BY home_id ORDER BY home_id LIMIT 2, 3
SELECT home_id FROM readings GROUP BY home_id ORDER BY home_id OFFSET 3 ROWS FETCH FIRST 2 ROWS ONLY
SELECT DISTINCT region FROM readings ORDER BY region
SELECT DISTINCT ON (region) region, home_id FROM readings ORDER BY region, home_id
SELECT region, home_id, count() FROM readings GROUP BY region, home_id WITH ROLLUP ORDER BY region, home_id
SELECT region, home_id % 2 AS odd, count() FROM readings GROUP BY CUBE(region, odd) ORDER BY region, odd, 3
SELECT region, home_id % 3 AS third, count() FROM readings GROUP BY GROUPING SETS ((region), (third), ()) ORDER BY ALL
SELECT region, grouping(region) AS g, count() FROM readings GROUP BY ROLLUP(region) ORDER BY g, region
SELECT region, count() AS n FROM readings GROUP BY region WITH TOTALS ORDER BY region
SELECT region, sum(energy) AS wh FROM readings GROUP BY region WITH TOTALS HAVING wh > 0 ORDER BY wh
SELECT home_id, ts FROM readings ORDER BY ts DESC, home_id LIMIT 1 BY home_id LIMIT 4
SELECT home_id, ts, energy FROM readings ORDER BY home_id, ts LIMIT 1 OFFSET 2 BY home_id
SELECT home_id, energy FROM readings WHERE energy IS NOT NULL ORDER BY energy DESC LIMIT 3 WITH TIES
SELECT home_id FROM readings WHERE home_id BETWEEN 3 AND 5 GROUP BY 1 ORDER BY 1
SELECT sum(energy) FROM readings PREWHERE home_id = 3 WHERE region != ''
SELECT sum(readings) FROM home_latest FINAL WHERE home_id IN (1, 2, 3)
SELECT countIf(temperature > 20), sumIf(energy, region = 'north'), avgIf(voltage, home_id < 4) FROM readings
SELECT count(*) FILTER (WHERE temperature > 20) AS warm, count() - warm AS cold FROM readings
SELECT sumOrNull(energy), sumOrDefault(energy), avgOrNullIf(voltage, home_id = 99) FROM readings
SELECT any(region), anyLast(region), first_value(region), last_value(region) FROM readings WHERE home_id = 1
SELECT argMax(temperature, ts), argMin(temperature, ts), max_by(region, ts) FROM readings WHERE home_id = 2
SELECT uniq(home_id), uniqExact(home_id), uniqCombined(home_id), uniqHLL12(home_id), uniqTheta FROM (SELECT home_id, 1 AS uniqTheta FROM readings) GROUP BY uniqTheta
SELECT topK(3)(region), approx_top_k(3)(region), topKWeighted(2)(region, home_id) FROM readings
SELECT groupArray(3)(home_id), groupUniqArray(2)(1), groupArraySorted(4)(home_id) FROM (SELECT home_id FROM readings ORDER BY home_id, ts)
SELECT stddevPop(voltage), varSamp(voltage), skewPop(voltage), kurtSamp(voltage) FROM readings
SELECT covarPop(toFloat64(temperature), toFloat64(voltage)), corr(toFloat64(temperature), toFloat64(voltage)) FROM readings WHERE temperature IS NOT NULL AND voltage IS NOT NULL
SELECT simpleLinearRegression(home_id, toFloat64(ifNull(voltage, 0))) FROM readings
SELECT round(entropy(region), 4), histogram(3)(home_id) FROM readings
SELECT sumMap(map(region, toUInt64(1))) FROM readings
SELECT sumMap([home_id], [toUInt64(1)]) FROM readings WHERE home_id < 4
SELECT maxMap(map(region, home_id)), minMap(map(region, home_id)), avgMap(map(region, toFloat64(home_id))) FROM readings
SELECT bitmapCardinality(groupBitmapState(home_id)), groupBitAnd(home_id), groupBitOr(home_id), groupBitXor(home_id) FROM readings
SELECT exponentialMovingAverage(10)(toFloat64(ifNull(energy, 0)), toUnixTimestamp(ts)) > 0 FROM readings
SELECT deltaSum(home_id), sumKahan(toFloat64(home_id)), sumWithOverflow(home_id) FROM (SELECT home_id FROM readings ORDER BY home_id)
SELECT boundingRatio(toUnixTimestamp(ts), home_id) FROM readings WHERE home_id = 1
SELECT retention(home_id > 0, home_id > 5, home_id > 10) FROM readings
SELECT windowFunnel(3600)(toDateTime(ts), temperature > 19, temperature > 20, temperature > 21) FROM readings WHERE home_id = 4
SELECT sequenceMatch('(?1)(?2)')(toDateTime(ts), temperature > 20, temperature < 20), sequenceCount('(?1)(?2)')(toDateTime(ts), temperature > 20, temperature < 20) FROM readings WHERE home_id = 4
SELECT intervalLengthSum(toInt64(toUnixTimestamp(ts)), toInt64(toUnixTimestamp(ts)) + 600) FROM readings WHERE home_id = 1
SELECT maxIntersections(toInt64(toUnixTimestamp(ts)), toInt64(toUnixTimestamp(ts)) + 700) FROM readings WHERE home_id = 1
SELECT groupConcat(',')(region) FROM (SELECT DISTINCT region FROM readings ORDER BY region)
SELECT string_agg(region, ';') FROM (SELECT DISTINCT region FROM readings ORDER BY region)
SELECT sparkbar(10)(toUnixTimestamp(ts), home_id) FROM readings WHERE home_id = 1
SELECT largestTriangleThreeBuckets(4)(toUnixTimestamp(ts), toFloat64(ifNull(voltage, 0))) FROM readings WHERE home_id = 1
SELECT mannWhitneyUTest('two-sided')(toFloat64(home_id), home_id % 2), studentTTest(toFloat64(home_id), home_id % 2) FROM readings
SELECT rankCorr(home_id, toUnixTimestamp(ts)), cramersV(home_id, region) FROM readings

-- quantiles and states
SELECT quantile(0.5)(toFloat64(temperature)), median(toFloat64(temperature)) FROM readings
SELECT quantiles(0.1, 0.5, 0.9)(toFloat64(voltage)) FROM readings
SELECT quantileExact(0.95)(temperature), quantilesExact(0.5, 0.99)(energy) FROM readings
SELECT quantileTDigest(0.5)(toFloat64(voltage)), quantileTiming(0.5)(home_id), quantileDD(0.01, 0.5)(toFloat64(voltage)) FROM readings
SELECT quantileExactWeighted(0.5)(home_id, 1), quantileGK(100, 0.5)(toFloat64(voltage)), quantileBFloat16(0.5)(toFloat64(voltage)) FROM readings
SELECT region, quantilesDDMerge(0.002, 0.5, 0.95)(temperature_quantiles) AS q FROM hourly_stats CROSS JOIN (SELECT 'all' AS region) AS r GROUP BY region
SELECT home_id, avgMerge(temperature_avg) FROM hourly_stats GROUP BY home_id ORDER BY home_id
SELECT home_id, finalizeAggregation(temperature_avg) AS t FROM (SELECT home_id, avgMergeState(temperature_avg) AS temperature_avg FROM hourly_stats GROUP BY home_id) ORDER BY home_id
SELECT countMerge(s) FROM (SELECT countState() AS s FROM readings GROUP BY home_id)
SELECT uniqMerge(u), sumMerge(s) FROM (SELECT uniqState(home_id) AS u, sumState(energy) AS s FROM readings GROUP BY region)
SELECT quantilesTDigestMerge(0.5, 0.9)(q) FROM (SELECT quantilesTDigestState(0.5, 0.9)(toFloat64(voltage)) AS q FROM readings GROUP BY region)
SELECT hour, avgMerge(temperature_avg) AS t FROM hourly_stats GROUP BY hour ORDER BY hour LIMIT 5
SELECT sumSimpleState(energy), maxSimpleState(temperature) FROM readings
SELECT uniqMergeIf(u, region = 'north') FROM (SELECT region, uniqState(home_id) AS u FROM readings GROUP BY region)
SELECT sumArray([home_id, 1]), avgArray([home_id]), sumForEach([home_id, 1]), sumArrayIf([home_id], home_id > 3) FROM readings
SELECT sumResample(0, 12, 4)(toUInt32(1), home_id), countDistinct FROM (SELECT home_id, 1 AS countDistinct FROM readings) GROUP BY countDistinct
SELECT sumDistinct(home_id), countIfOrNull(home_id > 3), uniqExactIf(home_id, temperature > 20) FROM readings
SELECT sumArgMax(home_id, ts), avgArgMin(home_id, ts) FROM readings
SELECT initializeAggregation('sumState', home_id) IS NOT NULL FROM readings LIMIT 1
SELECT arrayReduce('uniqExact', groupArray(home_id)), arrayReduce('quantile(0.5)', groupArray(home_id)) FROM readings
SELECT arrayReduce('sumIf', [1, 2, 3], [1, 0, 1]), arrayReduceInRanges('max', [(1, 2), (2, 3)], [1, 2, 3, 4])
SELECT number, sumMerge(s) OVER (ORDER BY number) FROM (SELECT number, sumState(number) AS s FROM numbers(3) GROUP BY number) ORDER BY number
SELECT argMaxMerge(latest).1 AS region, home_id FROM home_latest GROUP BY home_id ORDER BY home_id
SELECT home_id, tupleElement(argMaxMerge(latest), 'temperature') FROM home_latest GROUP BY home_id ORDER BY home_id

-- windows
SELECT home_id, ts, row_number() OVER (PARTITION BY home_id ORDER BY ts) AS n FROM readings QUALIFY n <= 2 ORDER BY home_id, n
SELECT home_id, ts, sum(energy) OVER (PARTITION BY home_id ORDER BY ts) AS running FROM readings ORDER BY home_id, ts LIMIT 20
SELECT home_id, ts, avg(energy) OVER (PARTITION BY home_id ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS m FROM readings ORDER BY home_id, ts LIMIT 20
SELECT home_id, ts, avg(energy) OVER w AS m, max(energy) OVER w AS x FROM readings WINDOW w AS (PARTITION BY home_id ORDER BY ts ROWS 3 PRECEDING) ORDER BY home_id, ts LIMIT 20
SELECT ts, count() OVER (ORDER BY toUnixTimestamp(ts) RANGE BETWEEN 3600 PRECEDING AND CURRENT ROW) AS c FROM readings WHERE home_id = 1 ORDER BY ts LIMIT 20
SELECT home_id, rank() OVER (ORDER BY wh DESC), dense_rank() OVER (ORDER BY wh DESC), percent_rank() OVER (ORDER BY wh DESC), cume_dist() OVER (ORDER BY wh DESC) FROM (SELECT home_id, sum(energy) AS wh FROM readings GROUP BY home_id) ORDER BY home_id
SELECT home_id, ntile(4) OVER (ORDER BY home_id) FROM (SELECT DISTINCT home_id FROM readings) ORDER BY home_id
SELECT ts, lagInFrame(energy) OVER (ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS before FROM readings WHERE home_id = 1 ORDER BY ts LIMIT 10
SELECT ts, lag(energy) OVER (ORDER BY ts) AS b, lead(energy, 2) OVER (ORDER BY ts) AS l, energy - b AS step FROM readings WHERE home_id = 1 ORDER BY ts LIMIT 10
SELECT ts, first_value(energy) OVER w, last_value(energy) OVER w, nth_value(energy, 2) OVER w FROM readings WHERE home_id = 1 WINDOW w AS (ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) ORDER BY ts LIMIT 5
SELECT ts, first_value(energy) IGNORE NULLS OVER (ORDER BY ts) AS f, any(energy) RESPECT NULLS OVER (ORDER BY ts) AS a FROM readings WHERE home_id = 1 ORDER BY ts LIMIT 5
SELECT region, sum(energy) AS wh, wh / sum(wh) OVER () AS share FROM readings GROUP BY region ORDER BY region
SELECT region, home_id, sum(sum(energy)) OVER (PARTITION BY region) AS all_wh FROM readings GROUP BY region, home_id ORDER BY region, home_id
SELECT ts, nonNegativeDerivative(home_id, ts) OVER (ORDER BY ts) FROM readings WHERE home_id = 1 ORDER BY ts LIMIT 3
SELECT ts, sum(1) OVER (w ROWS UNBOUNDED PRECEDING) AS c FROM readings WHERE home_id = 1 WINDOW w AS (ORDER BY ts) ORDER BY ts LIMIT 3
SELECT count() OVER (PARTITION BY region ORDER BY ts GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS c FROM readings ORDER BY c LIMIT 0
SELECT home_id, exponentialTimeDecayedAvg(600)(toFloat64(ifNull(energy, 0)), ts) OVER (PARTITION BY home_id ORDER BY ts) > 0 AS e FROM readings ORDER BY home_id, ts LIMIT 4

-- time
SELECT toStartOfHour(ts) AS h, sum(energy) FROM readings GROUP BY h ORDER BY h
SELECT toStartOfInterval(ts, INTERVAL 15 MINUTE) AS q, count() FROM readings GROUP BY q ORDER BY q LIMIT 10
SELECT toStartOfDay(ts) AS d, uniq(home_id) FROM readings GROUP BY d ORDER BY d
SELECT toDate(ts) AS d, toHour(ts) AS h, avg(temperature) FROM readings GROUP BY d, h ORDER BY d, h
SELECT toDayOfWeek(ts) AS w, toISOWeek(ts), toYYYYMM(ts), count() FROM readings GROUP BY ALL ORDER BY ALL
SELECT date_trunc('hour', ts) AS h, count() FROM readings GROUP BY h ORDER BY h LIMIT 5
SELECT dateDiff('minute', min(ts), max(ts)), age('hour', min(ts), max(ts)) FROM readings
SELECT DATEDIFF(HOUR, min(ts), max(ts)), TIMESTAMPDIFF(DAY, min(ts), max(ts)) FROM readings
SELECT DATE_ADD(DAY, 1, toDate('2026-01-01')), DATE_SUB(MONTH, 1, toDate('2026-03-31')), dateAdd(toDate('2026-01-01'), INTERVAL 2 WEEK)
SELECT toDate('2026-01-31') + INTERVAL 1 MONTH, toDateTime('2026-01-01 00:00:00', 'UTC') - INTERVAL '1 day 2 hours'
SELECT addDays(toDate('2026-01-01'), 3), subtractHours(toDateTime('2026-01-01 00:00:00', 'UTC'), 5), addMonths(toDate('2026-01-31'), 1)
SELECT DATE '2026-01-01' AS d, TIMESTAMP '2026-01-01 10:00:00' AS t, toUnixTimestamp(t), d < t
SELECT EXTRACT(YEAR FROM ts) AS y, EXTRACT(MONTH FROM ts) AS m, count() FROM readings GROUP BY y, m ORDER BY y, m
SELECT formatDateTime(ts, '%Y-%m-%d %H:%i'), formatDateTimeInJodaSyntax(ts, 'yyyy-MM-dd') FROM readings ORDER BY ts, home_id LIMIT 3
SELECT parseDateTime('2026-01-02 03:04:05', '%Y-%m-%d %H:%i:%s', 'UTC'), parseDateTimeBestEffort('2 Jan 2026 10:00', 'UTC'), parseDateTime64BestEffortOrNull('never')
SELECT toTimeZone(ts, 'Europe/Berlin'), timezoneOf(ts), timezoneOffset(toTimeZone(ts, 'Europe/Berlin')) FROM readings ORDER BY ts, home_id LIMIT 2
SELECT ts AT TIME ZONE 'Asia/Tokyo' FROM readings ORDER BY ts, home_id LIMIT 1
SELECT toUnixTimestamp64Milli(ts), fromUnixTimestamp64Milli(toUnixTimestamp64Milli(ts), 'UTC') = ts FROM readings ORDER BY ts, home_id LIMIT 2
SELECT makeDate(2026, 2, 28), makeDateTime(2026, 2, 28, 1, 2, 3, 'UTC'), toLastDayOfMonth(toDate('2026-02-03')), toMonday(toDate('2026-02-03'))
SELECT now() > toDateTime('2020-01-01 00:00:00'), today() - yesterday(), now64(3) > toDateTime64('2020-01-01 00:00:00', 3)
SELECT tumbleStart(toDateTime(ts), INTERVAL 1 HOUR) AS w, count() FROM readings GROUP BY w ORDER BY w LIMIT 3
SELECT timeSlot(toDateTime(ts)) AS s, count() FROM readings GROUP BY s ORDER BY s LIMIT 3
SELECT monthName(toDate('2026-05-01')), dateName('weekday', toDate('2026-05-01')), toQuarter(toDate('2026-05-01')), toRelativeDayNum(toDate('2026-05-01'))
SELECT toIntervalMinute(5) AS i, toDateTime('2026-01-01 00:00:00', 'UTC') + i
SELECT count() FROM readings WHERE ts >= '2026-01-01 06:00:00' AND ts < '2026-01-01 07:00:00'
SELECT count() FROM readings WHERE ts > toDateTime64('2026-01-02 00:00:00', 3, 'UTC') - INTERVAL 1 HOUR
SELECT count() FROM readings WHERE toDate(ts) = '2026-01-01' AND toHour(ts) IN (6, 7, 8)
SELECT hour, sum(readings) FROM hourly_stats WHERE hour >= toDateTime('2026-01-01 00:00:00', 'UTC') GROUP BY hour ORDER BY hour WITH FILL FROM toDateTime('2026-01-01 00:00:00', 'UTC') TO toDateTime('2026-01-01 06:00:00', 'UTC') STEP INTERVAL 30 MINUTE
SELECT toStartOfDay(ts) AS d, count() AS n FROM readings WHERE home_id = 1 GROUP BY d ORDER BY d WITH FILL STEP INTERVAL 1 DAY INTERPOLATE (n AS n + 1)
SELECT n, s FROM (SELECT number * 3 AS n, 'x' AS s FROM numbers(4)) ORDER BY n WITH FILL FROM 0 TO 12 STEP 2 INTERPOLATE (s)
SELECT number * 5 AS n FROM numbers(3) ORDER BY n WITH FILL STEP 1 STALENESS 2

-- arrays and lambdas
SELECT arrayMap(x -> x * 2, [1, 2, 3]), arrayFilter(x -> x % 2, range(10)), arrayExists(x -> x = 2, [1, 2]), arrayAll(x -> x > 0, [1, 2])
SELECT arrayMap((x, y) -> x + y, [1, 2], [3, 4]), arrayMap(x -> (x, x * x), range(4))
SELECT arraySort(x -> -x, [3, 1, 2]), arrayReverseSort([3, 1, 2]), arraySort((x, y) -> y, ['a', 'b'], [2, 1]), arrayPartialSort(2, [5, 3, 1])
SELECT arrayMap(upper, ['a', 'b']), arrayMap(toString, [1, 2]), arrayFilter(isNotNull, [1, NULL])
SELECT arraySum(x -> x * x, [1, 2]), arrayAvg([1, 2]), arrayMin([3, 1]), arrayMax(x -> -x, [3, 1]), arrayProduct([2, 3]), arrayCount(x -> x > 1, [1, 2, 3])
SELECT arrayFold((acc, x) -> acc + x * 2, [1, 2, 3], toInt64(0)), arrayCumSum([1, 2, 3]), arrayDifference([1, 3, 6])
SELECT arrayFirst(x -> x > 1, [1, 2, 3]), arrayLast(x -> x < 3, [1, 2, 3]), arrayFirstIndex(x -> x = 3, [1, 2, 3]), arrayFirstOrNull(x -> x > 9, [1])
SELECT arrayJoin([1, 2, 3]) AS x, x * 10
SELECT home_id, e FROM (SELECT home_id, groupArray(energy) AS es FROM (SELECT * FROM readings ORDER BY ts) GROUP BY home_id) ARRAY JOIN arraySlice(es, 1, 2) AS e ORDER BY home_id, e
SELECT x, i FROM (SELECT [10, 20] AS xs) ARRAY JOIN xs AS x, arrayEnumerate(xs) AS i
SELECT x FROM (SELECT [] :: Array(UInt8) AS xs) LEFT ARRAY JOIN xs AS x
SELECT k, v FROM (SELECT map('a', 1, 'b', 2) AS m) ARRAY JOIN mapKeys(m) AS k, mapValues(m) AS v ORDER BY k
SELECT has([1, 2], 2), hasAny([1, 2], [2, 3]), hasAll([1, 2], [1]), indexOf([5, 6], 6), countEqual([1, 1], 1), length([1, 2])
SELECT arrayConcat([1], [2, 3]), arrayDistinct([1, 1, 2]), arrayIntersect([1, 2], [2, 3]), arrayReverse([1, 2]), arrayFlatten([[1], [2]]), arrayUniq([1, 1])
SELECT arraySlice([1, 2, 3, 4], 2, 2), arrayPushBack([1], 2), arrayPopFront([1, 2]), arrayResize([1], 3), arrayZip([1, 2], ['a', 'b'])
SELECT arrayStringConcat(['a', 'b'], '-'), splitByChar(',', 'a,b'), splitByString('--', 'a--b'), splitByRegexp('[0-9]', 'a1b'), alphaTokens('a1b')
SELECT [1, 2, 3][1], [1, 2, 3][-1], (1, 'a').2, [[1], [2, 3]][2][1]
SELECT arrayEnumerateUniq([1, 1, 2]), arrayEnumerateDense([5, 5, 6]), arrayWithConstant(3, 'x'), range(1, 10, 3), emptyArrayUInt8()
SELECT arrayShuffle([1]) = [1], arrayRotateLeft([1, 2, 3], 1), arrayShiftRight([1, 2], 1, 0), arrayCompact([1, 1, 2, 1])
SELECT arrayAUC([0.1, 0.4], [0, 1]), arrayDotProduct([1, 2], [3, 4]), arrayJaccardIndex([1], [1, 2]), cosineDistance([1, 0], [0, 1]), L2Norm([3, 4])
SELECT arrayMap(x -> arrayMap(y -> x + y, [1, 2]), [10, 20]), arrayMap(x -> if(x > 1, x, NULL), [1, 2])
SELECT groupArray((home_id, region)) FROM (SELECT DISTINCT home_id, region FROM readings ORDER BY home_id LIMIT 3)
SELECT arraySplit((x, y) -> y, [1, 2, 3], [0, 1, 0]), arrayFill(x -> x > 1, [1, 2, 1]), arrayReverseFill(x -> x > 1, [1, 2, 1])
SELECT arraySort(groupArray(home_id)) AS ids, arrayFilter(i -> i IN (1, 2, 3), ids) FROM (SELECT DISTINCT home_id FROM readings)
WITH [3, 1, 2] AS xs SELECT arraySort(xs), arrayMap(x -> x + length(xs), xs)
SELECT home_id, arrayMap(t -> round(toFloat64(t)), groupArray(2)(temperature)) FROM (SELECT * FROM readings ORDER BY ts) GROUP BY home_id ORDER BY home_id

-- maps and tuples
SELECT map('a', 1, 'b', 2)['b'], mapKeys(map('a', 1)), mapValues(map('a', 1)), mapContains(map('a', 1), 'a')
SELECT mapFilter((k, v) -> v > 1, map('a', 1, 'b', 2)), mapApply((k, v) -> (k, v * 2), map('a', 1)), mapAdd(map('a', 1), map('a', 2)), mapSort(map('b', 1, 'a', 2))
SELECT mapFromArrays(['a', 'b'], [1, 2]), mapUpdate(map('a', 1), map('a', 3)), mapConcat(map('a', 1), map('b', 2)), CAST(([1], ['x']), 'Map(UInt8, String)')
SELECT tuple(1, 'a') AS t, t.1, tupleElement(t, 2), untuple((1, 2))
SELECT (1, 2) = (1, 2), (1, 2) < (1, 3), tuplePlus((1, 2), (3, 4)), dotProduct((1, 2), (3, 4)), tupleConcat((1,), (2,)), tupleHammingDistance((1, 2), (1, 3))
SELECT CAST((1, 'x'), 'Tuple(a UInt8, b String)') AS t, t.a, t.b, tupleNames(t), tupleToNameValuePairs(CAST((1, 2), 'Tuple(c UInt8, d UInt8)'))
SELECT extractKeyValuePairs('a:1, b:2'), str_to_map('a:1,b:2')
SELECT region, mapFromArrays(groupArray(home_id), groupArray(wh)) AS m FROM (SELECT region, home_id, sum(energy) AS wh FROM readings GROUP BY region, home_id ORDER BY home_id) GROUP BY region ORDER BY region

-- JSON
SELECT JSONExtractInt('{"a": 1}', 'a'), JSONExtractString('{"a": {"b": "x"}}', 'a', 'b'), JSONExtract('{"a": [1, 2]}', 'a', 'Array(UInt8)'), JSONHas('{"a": 1}', 'b')
SELECT JSONExtractKeys('{"a": 1, "b": 2}'), JSONLength('[1, 2]'), JSONType('{"a": 1}', 'a'), isValidJSON('{'), JSONExtractRaw('{"a": {"b": 1}}', 'a')
SELECT JSON_VALUE('{"a": {"b": 1}}', '$.a.b'), JSON_QUERY('{"a": [1]}', '$.a'), JSON_EXISTS('{"a": 1}', '$.a')
SELECT simpleJSONExtractInt('{"a":1}', 'a'), visitParamExtractString('{"a":"x"}', 'a'), toJSONString(map('a', [1, 2])), toJSONString((1, 'x'))
SELECT CAST('{"a": {"b": 1}, "c": "x"}', 'JSON') AS j, j.a.b, j.c, j.a.b.:Int64
SELECT '{"a": {"b": 1}}'::JSON AS j, j.^a, JSONAllPaths(j), dynamicType(j.a.b)
SELECT JSONExtract('{"t": 1.5, "n": null}', 'Tuple(t Float64, n Nullable(Int8))') AS d, d.t, d.n
SELECT arrayMap(x -> JSONExtractInt(x, 'a'), JSONExtractArrayRaw('[{"a": 1}, {"a": 2}]'))
SELECT JSONExtractKeysAndValues('{"a": 1, "b": 2}', 'UInt8'), JSONMergePatch('{"a":1}', '{"b":2}'), prettyPrintJSON('{"a":1}')

-- text
SELECT lower('ABC'), upper('abc'), concat('a', 'b'), 'a' || 'b', length('abc'), reverse('abc'), substring('hello', 2, 3), SUBSTRING('hello' FROM 2 FOR 3), left('abc', 2), right('abc', 2)
SELECT trim('  a '), TRIM(BOTH 'x' FROM 'xax'), trimLeft(' a'), leftPad('7', 3, '0'), rpad('a', 3, '-'), repeat('ab', 3), format('{}-{}', 'a', 1), initcap('some words')
SELECT replaceAll('aXbX', 'X', '-'), replaceRegexpAll('a1b22', '[0-9]+', '#'), replaceOne('aa', 'a', 'b'), translate('abc', 'ab', 'xy'), overlay('abcd', 'XX', 2)
SELECT match('abc', 'b+'), extract('a12b', '[0-9]+'), extractAll('1a2', '[0-9]'), extractGroups('k=v', '(\\w)=(\\w)'), 'abc' REGEXP '^a', countMatches('aaa', 'a')
SELECT 'abc' LIKE 'a%', 'abc' ILIKE 'A_C', 'abc' NOT LIKE 'b%', like('a', 'a'), notILike('a', 'B'), position('abc', 'c'), POSITION('b' IN 'abc'), locate('abc', 'b'), countSubstrings('aXaX', 'X')
SELECT startsWith('abc', 'a'), endsWith('abc', 'c'), positionCaseInsensitive('ABC', 'b'), multiSearchAny('abc', ['x', 'c']), multiMatchAny('abc', ['x', 'c']), hasToken('a b', 'b'), splitByWhitespace('a b')
SELECT hex('abc'), unhex('616263'), base64Encode('x'), base64Decode('eA=='), bin(5), char(65, 66), ascii('A'), toValidUTF8('x'), lengthUTF8('zürich'), upperUTF8('zürich')
SELECT MD5('a') = unhex('0cc175b9c0f1b6a831c399e269772661'), hex(SHA256('a')), cityHash64('a'), sipHash64(1, 2), xxHash64('a'), farmHash64('a'), CRC32('a'), murmurHash3_64('a')
SELECT soundex('Robert'), editDistance('ab', 'ac'), jaroWinklerSimilarity('ab', 'ac'), ngramDistance('abc', 'abd'), damerauLevenshteinDistance('ab', 'ba'), byteHammingDistance('ab', 'ac')
SELECT domain('https://a.example/x?y=1'), path('https://a.example/x?y=1'), protocol('https://a.example'), extractURLParameter('http://a/?k=v', 'k'), cutQueryString('http://a/?k'), topLevelDomain('http://a.org'), decodeURLComponent('a%20b')
SELECT IPv4NumToString(toUInt32(1)), toIPv4('10.0.0.1'), isIPv4String('x'), isIPAddressInRange('10.1.2.3', '10.0.0.0/8'), IPv6NumToString(toFixedString(unhex('00000000000000000000000000000001'), 16)), toIPv6('::1')
SELECT toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0'), UUIDNumToString(UUIDStringToNum('61f0c404-5cb3-11e7-907b-a6006ad3dba0')), toUUIDOrNull('x'), length(toString(generateUUIDv4()))
SELECT 'it''s', 'a\'b', 'tab\there', 'line\nbreak', $$dollar 'quoted' ; -- text$$, x'4142', '\u0041', 'DROP TABLE readings; SELECT file(''x'') INTO OUTFILE'
SELECT formatReadableSize(1e9), formatReadableQuantity(1e6), formatReadableTimeDelta(3700), bar(5, 0, 10, 10), toDecimalString(1.5, 3), printf('%05d', 42)
SELECT region, countIf(region LIKE 'n%') FROM readings GROUP BY region ORDER BY lower(region) COLLATE 'en'
SELECT /* a comment */ 1 -- another
SELECT normalizeQuery('SELECT 1'), encodeXMLComponent('<a>'), extractTextFromHTML('<p>x</p>'), punycodeEncode FROM (SELECT 'x' AS punycodeEncode)
SELECT stringJaccardIndex('abc', 'abd'), tokens('a b'), ngrams('abc', 2), concatWithSeparator(',', 'a', 'b'), substringIndex('a.b.c', '.', 2), regexpExtract('a12', '([0-9]+)', 1)

-- numbers, types and conditions
SELECT 1 + 2 * 3 - 4 / 2, 7 % 3, 7 DIV 2, 7 MOD 2, -5, - (3), intDiv(7, 2), pow(2, 10), 2 = 2, 2 == 2, 1 != 2, 1 <> 2, NOT 1, 1 AND 0 OR 1
SELECT round(1.567, 2), floor(1.5), ceil(1.2), truncate(1.9), abs(-1), sign(-3), sqrt(16), cbrt(27), exp(0), ln(1), log2(8), log10(100), greatest(1, 2), least(1, 2)
SELECT sin(0), cos(0), atan2(0, 1), degrees(pi()), radians(180), e(), gcd(12, 18), lcm(4, 6), factorial(5), isFinite(1.0), isNaN(nan), roundBankers(2.5)
SELECT 1e10, 1.5e-7, 0x1F, 0b101, 1_000, inf, -inf, nan, NULL, true, false, 18446744073709551615, -9223372036854775808, 18446744073709551616, 1e20, 0.1
SELECT bitAnd(5, 3), bitOr(5, 3), bitXor(5, 3), bitShiftLeft(1, 3), bitCount(7), bitTest(5, 0), bitNot(toUInt8(1))
SELECT CAST(1 AS String), CAST('1' AS UInt8), CAST(NULL AS Nullable(UInt8)), '1'::UInt8, 1.5::Decimal(9, 2), toInt32('5'), toFloat64OrNull('x'), toDecimal64('1.25', 2), accurateCastOrNull(300, 'UInt8')
SELECT toTypeName(1), toTypeName([1]), toTypeName(map('a', 1)), toTypeName(NULL), toTypeName(toDateTime64('2026-01-01 00:00:00', 3, 'UTC')), toTypeName(1::Nullable(Int8))
SELECT if(1 > 0, 'a', 'b'), multiIf(0, 1, 1, 2, 3), CASE WHEN 1 = 2 THEN 'x' WHEN 2 = 2 THEN 'y' ELSE 'z' END, CASE 3 WHEN 3 THEN 'three' ELSE 'other' END, 1 > 0 ? 'yes' : 'no'
SELECT coalesce(NULL, 1), ifNull(NULL, 2), nullIf(1, 1), isNull(NULL), NULL IS NULL, 1 IS NOT NULL, assumeNotNull(1), toNullable(1), NULL <=> NULL, 1 IS DISTINCT FROM 2, 1 IS NOT DISTINCT FROM NULL
SELECT 3 BETWEEN 1 AND 5, 3 NOT BETWEEN 1 AND 2, 2 IN (1, 2), 2 NOT IN (1, 2), (1, 2) IN ((1, 2), (3, 4)), 'a' IN ('a'), 1 IN [1, 2], 1 IN tuple(1)
SELECT transform(2, [1, 2], ['one', 'two'], 'other'), widthBucket(5, 0, 10, 5), clamp(11, 0, 10), min2(1, 2), max2(1, 2), divideOrNull(1, 0), moduloOrNull(1, 0)
SELECT count(), any(home_id > 3 ? 'many' : 'few') FROM readings WHERE home_id > 3
SELECT toLowCardinality('x'), toFixedString('ab', 3), reinterpretAsUInt32('abcd'), reinterpret(1, 'Int64'), toStringCutToZero('a'), toBool(1), toInt256(1), toUInt128(2)
SELECT CAST('a', 'Enum8(\'a\' = 1, \'b\' = 2)'), CAST('[1,2]', 'Array(UInt8)'), CAST('1', 'Variant(UInt8, String)'), variantType(CAST(1, 'Variant(UInt8, String)')), 1::Dynamic
SELECT greatCircleDistance(0, 0, 1, 1), geoDistance(0, 0, 1, 1), geohashEncode(1.0, 2.0), pointInPolygon((1, 1), [(0, 0), (2, 0), (2, 2), (0, 2)]), h3ToGeo(geoToH3(1.0, 2.0, 5)).1 > 0
SELECT rowNumberInAllBlocks() >= 0, blockNumber() >= 0, materialize(1), ignore(1), identity(2), isConstant(1), byteSize(1), defaultValueOfTypeName('UInt8')
SELECT rand() >= 0, randUniform(0, 1) < 2, length(randomString(3)), randConstant() >= 0, length(randomPrintableASCII(4))
SELECT bitmapToArray(bitmapBuild([1, 2])), bitmapContains(bitmapBuild([1]), 1), bitmapAndCardinality(bitmapBuild([1, 2]), bitmapBuild([2]))
SELECT seriesDecomposeSTL([10.1, 20.45, 40.34, 10.1, 20.45, 40.34, 10.1, 20.45, 40.34], 3) != [], seriesOutliersDetectTukey([-3, 2, 15, 3, 5, 6, 4, 5, 12, 45, 12, 3, 3, 4, 3, 3, 4, 5, 6])
SELECT minSampleSizeConversion(0.25, 0.03, 0.80, 0.05), financialNetPresentValue(0.1, [-100., 50., 60.]), mortonEncode(1, 2), hilbertEncode(3, 4)
SELECT normL2((3, 4)), L2Distance([1, 2], [2, 3]), LpNorm((3, 4), 3), arrayNormalizedGini([0.1, 0.5], [0, 1])

-- joins
SELECT r.home_id, l.readings FROM readings AS r JOIN home_latest AS l ON r.home_id = l.home_id WHERE r.home_id = 2 ORDER BY ALL LIMIT 3
SELECT a.home_id, b.home_id FROM (SELECT DISTINCT home_id FROM readings) AS a LEFT JOIN (SELECT 3 AS home_id) AS b USING (home_id) ORDER BY a.home_id
SELECT home_id, n, s FROM (SELECT home_id, count() AS n FROM readings GROUP BY home_id) AS a INNER JOIN (SELECT home_id, sum(readings) AS s FROM hourly_stats GROUP BY home_id) AS b USING home_id ORDER BY home_id
SELECT a.n, b.n FROM (SELECT number AS n FROM numbers(4)) AS a FULL OUTER JOIN (SELECT number * 2 AS n FROM numbers(4)) AS b ON a.n = b.n ORDER BY a.n, b.n
SELECT a.n FROM (SELECT number AS n FROM numbers(4)) AS a ANTI LEFT JOIN (SELECT 2 AS n) AS b ON a.n = b.n ORDER BY a.n
SELECT a.n FROM (SELECT number AS n FROM numbers(4)) AS a SEMI LEFT JOIN (SELECT 2 AS n) AS b ON a.n = b.n ORDER BY a.n
SELECT a.n, b.m FROM (SELECT number AS n FROM numbers(2)) AS a, (SELECT number AS m FROM numbers(2)) AS b ORDER BY a.n, b.m
SELECT count() FROM readings AS a CROSS JOIN (SELECT 1 AS x UNION ALL SELECT 2) AS b
SELECT r.ts, m.rows FROM readings AS r ASOF JOIN (SELECT region, minute, sum(city_minute.rows) AS rows FROM city_minute GROUP BY region, minute) AS m ON r.region = m.region AND toDateTime(r.ts) >= m.minute WHERE r.home_id = 1 ORDER BY r.ts LIMIT 5
SELECT a.ts, b.ts FROM readings AS a ASOF LEFT JOIN readings AS b ON a.home_id = b.home_id AND a.ts > b.ts WHERE a.home_id = 1 ORDER BY a.ts LIMIT 5
SELECT a.home_id FROM homes.home_latest AS a ANY LEFT JOIN homes.hourly_stats AS b ON a.home_id = b.home_id ORDER BY a.home_id
SELECT x, y FROM (SELECT number AS x FROM numbers(3)) AS a PASTE JOIN (SELECT number * 10 AS y FROM numbers(3)) AS b
SELECT r.region, count() FROM readings r JOIN home_latest l ON r.home_id = l.home_id AND l.readings > 1 JOIN (SELECT DISTINCT home_id FROM hourly_stats) h ON h.home_id = l.home_id GROUP BY r.region ORDER BY r.region
SELECT readings.home_id, home_latest.home_id FROM readings INNER JOIN home_latest ON readings.home_id = home_latest.home_id ORDER BY ALL LIMIT 2
SELECT homes.readings.home_id, count() FROM homes.readings GROUP BY homes.readings.home_id ORDER BY 1
SELECT t.* FROM (SELECT 1 AS a, 2 AS b) AS t
SELECT t.* EXCEPT (b), u.* FROM (SELECT 1 AS a, 2 AS b) AS t CROSS JOIN (SELECT 3 AS c) AS u
SELECT * EXCEPT (_source, _batch, _ingested_at) FROM readings ORDER BY home_id, ts LIMIT 3
SELECT * EXCEPT ('^_') FROM readings ORDER BY home_id, ts LIMIT 3
SELECT * FROM home_latest ORDER BY home_id LIMIT 0
SELECT * FROM (SELECT 1 AS a) AS t (renamed)
SELECT * FROM (SELECT 1 AS a) AS x NATURAL JOIN (SELECT 1 AS a) AS y
SELECT a.home_id, b.n FROM home_latest AS a GLOBAL LEFT JOIN (SELECT home_id, count() AS n FROM readings GROUP BY home_id) AS b USING (home_id) ORDER BY a.home_id

-- WITH, subqueries and sets
WITH hot AS (SELECT home_id, ts FROM readings WHERE temperature > 20) SELECT count() FROM hot
WITH hot AS (SELECT home_id FROM readings WHERE temperature > 20), few AS (SELECT DISTINCT home_id FROM hot) SELECT count() FROM few
WITH readings AS (SELECT * FROM readings WHERE home_id = 1) SELECT count() FROM readings
WITH readings AS (SELECT * FROM homes.readings WHERE home_id = 1) SELECT count() FROM readings WHERE ts > '2026-01-01 00:00:00'
WITH home_latest AS (SELECT 42 AS x) SELECT x FROM home_latest
WITH later AS (SELECT * FROM sooner), sooner AS (SELECT 1 AS x) SELECT x FROM later
WITH outer_one AS (SELECT 1 AS x) SELECT (WITH inner_one AS (SELECT x + 1 AS y FROM outer_one) SELECT y FROM inner_one) AS z
WITH hot AS (SELECT home_id FROM readings WHERE temperature > 20) SELECT count() FROM home_latest WHERE home_id IN hot
WITH hot AS (SELECT home_id FROM readings WHERE temperature > 20) SELECT count() FROM home_latest WHERE home_id NOT IN (SELECT home_id FROM hot)
WITH t AS (SELECT 1 AS a) SELECT a FROM t UNION ALL SELECT a + 1 FROM t ORDER BY a
WITH (SELECT max(ts) FROM readings) AS newest SELECT count() FROM readings WHERE ts = newest
WITH (SELECT groupArray(DISTINCT home_id) FROM readings) AS ids SELECT count() FROM home_latest WHERE has(ids, home_id)
WITH 20 AS warm, toDateTime64('2026-01-01 12:00:00', 3, 'UTC') AS noon SELECT countIf(temperature > warm) FROM readings WHERE ts > noon
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT groupArray(i) FROM n
WITH RECURSIVE f AS (SELECT 1 AS a, 1 AS b UNION ALL SELECT b, a + b FROM f WHERE b < 50) SELECT max(b) FROM f
WITH t (x, y) AS (SELECT 1, 2) SELECT x + y FROM t
WITH [1, 2] AS ids SELECT 1 IN ids, 3 IN ids
SELECT count() FROM readings WHERE home_id IN (SELECT home_id FROM home_latest WHERE readings > 10)
SELECT count() FROM readings WHERE (home_id, region) IN (SELECT home_id, argMaxMerge(latest).1 FROM home_latest GROUP BY home_id)
SELECT count() FROM readings WHERE home_id GLOBAL IN (SELECT 1 UNION ALL SELECT 2)
SELECT count() FROM readings WHERE home_id = ANY (SELECT 1)
SELECT count() FROM readings WHERE home_id < ALL (SELECT 3)
SELECT EXISTS (SELECT 1 FROM readings WHERE home_id = 3), EXISTS (SELECT 1 FROM readings WHERE home_id = 333)
SELECT (SELECT count() FROM readings) AS n, (SELECT max(home_id) FROM home_latest) AS m
SELECT home_id, (SELECT count() FROM readings AS r WHERE r.home_id = l.home_id) AS n FROM home_latest AS l ORDER BY home_id
SELECT * FROM (SELECT * FROM (SELECT home_id FROM readings LIMIT 1 BY home_id) ORDER BY home_id LIMIT 2)
SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 2
SELECT 1 UNION DISTINCT SELECT 1
SELECT home_id FROM readings INTERSECT SELECT toUInt32(3)
SELECT DISTINCT home_id FROM readings EXCEPT SELECT toUInt32(3)
(SELECT 1 AS x) UNION ALL (SELECT 2 AS x)
SELECT x FROM (SELECT 1 AS x UNION ALL SELECT 2 UNION ALL SELECT 3) WHERE x > 1 ORDER BY x DESC
SELECT 1 INTERSECT SELECT 1 EXCEPT SELECT 2
SELECT 1 AS x UNION ALL (SELECT 2 INTERSECT SELECT 2)
FROM readings SELECT count()
FROM (SELECT 1 AS a) SELECT a + 1
SELECT count() FROM (WITH w AS (SELECT home_id FROM readings) SELECT * FROM w)
SELECT region AS r, count() AS c FROM readings WHERE r != '' GROUP BY r HAVING c > 0 ORDER BY r
SELECT 1 AS x, x + 1 AS y, y * 2 AS z
SELECT TOP 2 home_id FROM readings ORDER BY home_id, ts
SELECT home_id AS `the home`, "region" AS "the region" FROM readings ORDER BY ts, home_id LIMIT 1
SELECT `homes`.`readings`.`home_id` FROM `homes`.`readings` ORDER BY 1 LIMIT 1
SELECT number FROM numbers(5)
SELECT number FROM numbers(2, 3)
SELECT number FROM numbers(0, 10, 4)
SELECT count() FROM zeros(10)
SELECT * FROM generateSeries(1, 10, 3)
SELECT generate_series FROM generate_series(0, 2)
SELECT * FROM values('a UInt8, b String', (1, 'x'), (2, 'y'))
SELECT * FROM values((1, 'x'), (2, 'y'))
SELECT * FROM (VALUES (1, 'x'), (2, 'y')) AS v
SELECT n.number FROM numbers(3) AS n JOIN numbers(2) AS m ON n.number = m.number
SELECT toStartOfHour(toDateTime('2026-01-01 00:00:00', 'UTC')) + INTERVAL number HOUR AS h, countIf(toStartOfHour(ts) = h) FROM numbers(3) AS n CROSS JOIN readings GROUP BY h ORDER BY h
SELECT 1;
SELECT {n:UInt8} + 1, {s:String}, {a:Array(UInt8)}, {d:Date}
SELECT count() FROM readings WHERE home_id = {n:UInt8} LIMIT {n:UInt8}

-- what the platform's own pages ask
SELECT home_id, toUnixTimestamp64Milli(max(last_ts)) AS ts_ms, argMaxMerge(latest) AS newest FROM home_latest GROUP BY home_id ORDER BY home_id
SELECT toUnixTimestamp(minute) * 1000 AS minute_ms, region, round(toFloat64(sum(energy_sum)) * 60 / 1000, 5) AS kw, sum(city_minute.rows) AS rows FROM city_minute GROUP BY minute, region ORDER BY minute, region LIMIT 20
SELECT uniqExactIf(home_id, last_ts > toDateTime64('2026-01-01 00:00:00', 3, 'UTC')) AS homes, sum(readings) AS rows_total FROM home_latest
SELECT toUnixTimestamp(hour) * 1000 AS hour_ms, sent, toFloat64(energy) AS energy_sum, quantiles[1] AS p50 FROM (SELECT hour, sum(readings) AS sent, sum(energy_sum) AS energy, quantilesDDMerge(0.002, 0.5, 0.95)(temperature_quantiles) AS quantiles FROM hourly_stats WHERE home_id = 7 GROUP BY hour) ORDER BY hour
SELECT region, sum(rows) AS sent, sum(late_rows) AS late, round(late / sent, 4) AS share FROM city_minute GROUP BY region ORDER BY region
SELECT intDiv(toUnixTimestamp64Milli(ts), 600000) * 600000 AS ts_ms, round(avg(readings.temperature), 3) AS temperature, toFloat64(sumOrNull(readings.energy)) AS energy FROM readings WHERE home_id = 7 GROUP BY ts_ms ORDER BY ts_ms LIMIT 10
SELECT home_id, sum(energy) AS wh, multiIf(wh > 3000, 'high', wh > 1000, 'middle', 'low') AS class FROM readings GROUP BY home_id ORDER BY home_id
SELECT class, count() AS homes, avg(wh) AS mean FROM (SELECT home_id, sum(energy) AS wh, if(wh > 2000, 'high', 'low') AS class FROM readings GROUP BY home_id) GROUP BY class ORDER BY class
SELECT toDate(ts) AS day, home_id, max(temperature) - min(temperature) AS swing FROM readings GROUP BY day, home_id ORDER BY swing DESC, day, home_id LIMIT 10
SELECT toHour(ts) AS hour, quantilesExact(0.25, 0.5, 0.75)(energy) AS q FROM readings GROUP BY hour ORDER BY hour
SELECT home_id, countIf(vibration > 2) AS shaky, round(shaky / count(), 3) AS share FROM readings GROUP BY home_id HAVING share >= 0 ORDER BY share DESC, home_id
SELECT home_id, ts, voltage FROM readings WHERE abs(voltage - (SELECT avg(voltage) FROM readings)) > 5 ORDER BY home_id, ts LIMIT 10
SELECT home_id, max(gap) AS longest FROM (SELECT home_id, dateDiff('second', lagInFrame(ts, 1, ts) OVER (PARTITION BY home_id ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), ts) AS gap FROM readings) GROUP BY home_id ORDER BY home_id
SELECT a.region, a.wh, b.wh, a.wh - b.wh AS more FROM (SELECT region, sum(energy) AS wh FROM readings WHERE toDate(ts) = '2026-01-02' GROUP BY region) AS a JOIN (SELECT region, sum(energy) AS wh FROM readings WHERE toDate(ts) = '2026-01-01' GROUP BY region) AS b USING (region) ORDER BY a.region
SELECT home_id, groupArray(toFloat64(t)) AS day, arrayMap((x, i) -> round(x - day[greatest(i - 1, 1)], 2), day, arrayEnumerate(day)) AS steps FROM (SELECT home_id, toHour(ts) AS h, avg(temperature) AS t FROM readings WHERE toDate(ts) = '2026-01-01' GROUP BY home_id, h ORDER BY home_id, h) GROUP BY home_id ORDER BY home_id LIMIT 3
WITH daily AS (SELECT home_id, toDate(ts) AS d, sum(energy) AS wh FROM readings GROUP BY home_id, d), ranked AS (SELECT *, row_number() OVER (PARTITION BY d ORDER BY wh DESC, home_id) AS place FROM daily) SELECT d, home_id, wh FROM ranked WHERE place <= 3 ORDER BY d, place
WITH base AS (SELECT region, avg(temperature) AS m, stddevPop(temperature) AS s FROM readings GROUP BY region) SELECT r.region, countIf(abs(r.temperature - base.m) > 2 * base.s) AS outliers FROM readings AS r JOIN base ON r.region = base.region GROUP BY r.region ORDER BY r.region
SELECT region, arraySort(x -> -x.2, groupArray((home_id, wh)))[1] AS top FROM (SELECT region, home_id, toFloat64(sum(energy)) AS wh FROM readings GROUP BY region, home_id ORDER BY home_id) GROUP BY region ORDER BY region
SELECT toStartOfInterval(ts, toIntervalHour(6)) AS part, region, count() AS n, sum(n) OVER (PARTITION BY region ORDER BY part) AS so_far FROM readings GROUP BY part, region ORDER BY region, part
SELECT home_id, sum(readings) AS n, avgMerge(temperature_avg) AS t, max(temperature_max) AS top FROM hourly_stats GROUP BY home_id HAVING n > 1 ORDER BY home_id
SELECT corrStable(x, y), covarSamp(x, y) FROM (SELECT toFloat64(ifNull(temperature, 0)) AS x, toFloat64(ifNull(energy, 0)) AS y FROM readings WHERE home_id = 5)
SELECT count() AS n, uniqExact(home_id) AS homes, n / homes AS each, min(ts) AS first, max(ts) AS last FROM readings
SELECT home_id, bar(toFloat64(sum(energy)), 0, 10000, 20) AS picture FROM readings GROUP BY home_id ORDER BY home_id
SELECT _part != '', count() FROM readings GROUP BY 1
SELECT now() - INTERVAL 1 DAY < now(), toStartOfWeek(toDate('2026-01-07'), 1), toWeek(toDate('2026-01-07'), 3), toISOYear(toDate('2026-01-01'))
