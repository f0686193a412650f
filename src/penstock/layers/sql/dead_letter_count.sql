/* How many dead letters of one bronze table are of a source and a beginning of the reason. */
SELECT count() AS rows
FROM {bronze}
WHERE _error != '' AND ({source:String} = '' OR _source = {source:String})
  AND startsWith(_error, {reason:String})
