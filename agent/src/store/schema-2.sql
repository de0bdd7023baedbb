-- Version 2: what devices are called, and what they talk to.
ALTER TABLE flow ADD COLUMN service_source TEXT;   -- what says which service it is: parsed, port
ALTER TABLE flow ADD COLUMN hidden TEXT;           -- what hides names in it: ech, dot, doh, doq
ALTER TABLE device ADD COLUMN type TEXT;           -- printer, camera ... where a rule says so
ALTER TABLE device ADD COLUMN type_rule TEXT;      -- which rule
CREATE INDEX device_name_by_value ON device_name(source, value);   -- who else is called that
INSERT INTO sqlite_stat1 VALUES
 ('device_name','device_name','3000 10 2 1'),('device_name','device_name_by_value','3000 150 1');
