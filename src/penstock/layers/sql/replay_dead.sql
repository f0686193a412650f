/* What picks some dead letters by batch and place. A mutation cannot name `_part`: to the engine that
   is also the name of a column of its own, and it looks for that one. */
_source = {source} AND _error != '' AND _pos < {width} AND _batch <= {newest}
AND bitmapContains(bitmapBuild(CAST([{keys}], 'Array(UInt64)')), _batch * {width} + _pos)
