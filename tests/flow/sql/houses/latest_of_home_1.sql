SELECT sum(readings) AS n, argMaxMerge(latest).energy AS energy FROM home_latest WHERE home_id = 1
