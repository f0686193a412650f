/*
description: How far each home's hour is from what its own norm and the homes of its region let expect.
grain: hour and home
*/

-- A view. Weather moves all rooms of a region, and no home reports the outside: what the region's homes
-- share in departing from their norms stands in for it. Fewer than five homes share nothing.
-- The hour of the week follows from the hour; named, conditions on it reach the norms.
CREATE VIEW IF NOT EXISTS home_departures AS
SELECT
    *,
    count() OVER region_hour AS peers,
    if(peers >= 5, quantileExact(0.5)(room - temperature_norm) OVER region_hour, 0) AS shared,
    temperature_norm + shared AS expected,
    room - expected AS departure
FROM judged_hours
WINDOW region_hour AS (PARTITION BY region, hour, hour_of_week);
