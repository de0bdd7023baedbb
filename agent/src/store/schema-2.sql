-- Version 2: what devices are called, and what they talk to.
ALTER TABLE flow ADD COLUMN service_parsed INTEGER; -- 1: what was said tells which service it is; 0: its port alone
ALTER TABLE flow ADD COLUMN hidden TEXT;           -- what hides names in it: ech, dot, doh, doq
ALTER TABLE device ADD COLUMN type TEXT;           -- printer, camera ... where a rule says so
ALTER TABLE device ADD COLUMN type_rule TEXT;      -- which rule
CREATE INDEX device_name_by_value ON device_name(source, value);   -- who else is called that
-- Who is merged with whom, and whose addresses end alike: asked whenever a name is set. Not a partial index, for which
-- SQLite would prepare those questions anew each time.
CREATE INDEX device_by_same_as ON device(same_as);
CREATE INDEX device_by_octets ON device(substr(mac, 10));
INSERT INTO sqlite_stat1 VALUES
 ('device_name','device_name','3000 10 2 1'),('device_name','device_name_by_value','3000 150 1'),
 ('device','device_by_same_as','300 10'),('device','device_by_octets','300 1');
