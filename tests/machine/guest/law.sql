-- What must not be: one line for each window that breaks the law, at each level, or that nobody watched.
WITH
  part AS (
    SELECT 'minute' AS level, window, direction, packets_up, packets_down, bytes_up, bytes_down FROM usage_minute
    UNION ALL SELECT 'hour', window, direction, packets_up, packets_down, bytes_up, bytes_down FROM usage_hour
    UNION ALL SELECT 'day', window, direction, packets_up, packets_down, bytes_up, bytes_down FROM usage_day),
  counted AS (
    SELECT level, window,
      sum(packets_up + CASE direction WHEN 0 THEN packets_down ELSE 0 END) AS frames,
      sum(bytes_up + CASE direction WHEN 0 THEN bytes_down ELSE 0 END) AS bytes,
      sum(CASE direction WHEN 1 THEN bytes_up - bytes_down ELSE 0 END) AS uneven
    FROM part GROUP BY level, window),
  seen AS (
    SELECT 'minute' AS level, window, utc, frames, bytes, undecodable, undecodable_bytes FROM coverage_minute
    UNION ALL SELECT 'hour', window, utc, frames, bytes, undecodable, undecodable_bytes FROM coverage_hour
    UNION ALL SELECT 'day', window, utc, frames, bytes, undecodable, undecodable_bytes FROM coverage_day)
SELECT level, utc, 'captured', seen.frames, 'in rows', coalesce(counted.frames, 0) + undecodable
  FROM seen LEFT JOIN counted USING (level, window)
  WHERE coalesce(counted.frames, 0) + undecodable <> seen.frames
    OR coalesce(counted.bytes, 0) + undecodable_bytes <> seen.bytes OR coalesce(uneven, 0) <> 0
UNION ALL
SELECT level, window, 'has rows and no coverage', frames, '', '' FROM counted
  WHERE NOT EXISTS (SELECT 1 FROM seen WHERE seen.level = counted.level AND seen.window = counted.window)
UNION ALL
-- Minutes that were rolled are in their hour, once.
SELECT 'minutes of the hour', h.utc, 'has', h.frames, 'its minutes', sum(m.frames)
  FROM coverage_hour h JOIN coverage_minute m ON m.window >= h.window AND m.window < h.window + 3600000
  GROUP BY h.window HAVING sum(m.frames) <> h.frames;
