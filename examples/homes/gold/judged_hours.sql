/*
description: Each home's hour beside what that home does in that hour of the week otherwise.
grain: hour and home
*/

-- A view: the endpoints that judge hours read it and say over which hours. The norm leaves out the
-- judged hour itself, by subtraction; it is NULL where the home has no other week. The band is how far
-- single readings lie from their norm, over the whole week: one figure a home and channel, so that
-- three weeks are enough to know it; it is held to at least the sensor's grain.
-- Who judges a few hours names their `hour_of_week` as well: then the norms of these alone are read.
-- `room` is the hour's temperature without its highest and its lowest reading: a single wild one is
-- not taken for a warm room.
CREATE VIEW IF NOT EXISTS judged_hours AS
SELECT
    h.home_id AS home_id,
    h.hour AS hour,
    b.hour_of_week AS hour_of_week,
    h.region AS region,
    h.readings AS readings,
    h.n_t AS temperature_readings,
    h.s_t / nullIf(h.n_t, 0) AS temperature,
    (b.s_t - h.s_t) / nullIf(b.n_t - h.n_t, 0) AS temperature_norm,
    greatest(w.band_t, 0.1) AS temperature_band,
    h.low_t AS temperature_min,
    h.high_t AS temperature_max,
    sqrt(greatest(h.q_t / nullIf(h.n_t, 0) - temperature * temperature, 0)) AS temperature_spread,
    if(h.n_t > 3, (h.s_t - h.low_t - h.high_t) / (h.n_t - 2), temperature) AS room,
    h.wh AS energy,
    (b.wh - h.wh) / nullIf(b.hours - 1, 0) AS energy_norm,
    h.n_u AS voltage_readings,
    h.s_u / nullIf(h.n_u, 0) AS voltage,
    (b.s_u - h.s_u) / nullIf(b.n_u - h.n_u, 0) AS voltage_norm,
    greatest(w.band_u, 0.2) AS voltage_band,
    h.low_u AS voltage_min,
    h.n_v AS vibration_readings,
    h.s_v / nullIf(h.n_v, 0) AS vibration,
    (b.s_v - h.s_v) / nullIf(b.n_v - h.n_v, 0) AS vibration_norm,
    greatest(w.band_v, 0.01) AS vibration_band,
    h.high_v AS vibration_max,
    b.hours - 1 AS weeks
FROM
(
    SELECT
        home_id,
        hour,
        toUInt8((toDayOfWeek(hour) - 1) * 24 + toHour(hour)) AS hour_of_week,
        region,
        readings,
        energy_sum / 1000 AS wh,
        temperature_count AS n_t,
        temperature_sum / 100 AS s_t,
        temperature_squares / 10000 AS q_t,
        toFloat64(temperature_min) AS low_t,
        toFloat64(temperature_max) AS high_t,
        voltage_count AS n_u,
        voltage_sum / 10 AS s_u,
        toFloat64(voltage_min) AS low_u,
        vibration_count AS n_v,
        vibration_sum / 1000 AS s_v,
        toFloat64(vibration_max) AS high_v
    FROM home_hours FINAL
) AS h
INNER JOIN
(
    SELECT
        home_id,
        hour_of_week,
        finalizeAggregation(home_baseline.hours) AS hours,
        energy_sum / 1000 AS wh,
        temperature_count AS n_t,
        temperature_sum / 100 AS s_t,
        voltage_count AS n_u,
        voltage_sum / 10 AS s_u,
        vibration_count AS n_v,
        vibration_sum / 1000 AS s_v
    FROM home_baseline FINAL
) AS b ON b.home_id = h.home_id AND b.hour_of_week = h.hour_of_week
INNER JOIN
(
    SELECT
        home_id,
        sqrt(greatest(sum(temperature_squares - temperature_sum / nullIf(temperature_count, 0) * temperature_sum) / nullIf(sum(temperature_count), 0), 0)) / 100 AS band_t,
        sqrt(greatest(sum(voltage_squares - voltage_sum / nullIf(voltage_count, 0) * voltage_sum) / nullIf(sum(voltage_count), 0), 0)) / 10 AS band_u,
        sqrt(greatest(sum(vibration_squares - vibration_sum / nullIf(vibration_count, 0) * vibration_sum) / nullIf(sum(vibration_count), 0), 0)) / 1000 AS band_v
    FROM home_baseline FINAL
    GROUP BY home_id
) AS w ON w.home_id = h.home_id;
