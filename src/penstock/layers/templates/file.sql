/*
description: The rows of {file} as records of {source}.
*/
-- Every field is text here, as the file has it: an empty one is not sent, and what cannot be used
-- becomes a dead letter that shows it.
SELECT
    --each fields
    nullIf(trim({column}), '') AS {quoted}{comma}
    --end
FROM input
