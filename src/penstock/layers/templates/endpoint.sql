/*
description: {title}
--each reason
reason: {text}
--end
defaults:
--each params
  {name}: {default}
--end
params:
--each params
  {name}: {said}
--end
cache: 60s
*/
SELECT
    --each columns
    {expression}{comma}
    --end
FROM {relation}
--each filters
{word} {condition}
--end
--each grouped
GROUP BY {by}
--end
--each ordered
ORDER BY {by}
--end
LIMIT {limit:UInt32}
