SELECT name, is_aggregate AS aggregates, if(length(syntax) < 120, splitByString('\n', syntax)[1], '') AS form
FROM system.functions
WHERE alias_to = ''
