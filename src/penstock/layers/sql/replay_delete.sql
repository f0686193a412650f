/* Deletes the old rows of records that were landed again. */
ALTER TABLE {bronze} DELETE WHERE {dead}
SETTINGS max_query_size = {long}
