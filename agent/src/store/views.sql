-- The views: the public interface of the file. They are dropped and made again when a program with others opens it.
--
-- They are written so that what is asked of them reaches the tables: `where device = ...` or a span of time, also
-- through a join or another view. SQLite hands a condition down into a view that is a plain join, or one GROUP BY
-- over such a join by the columns that the condition is about. It does not look through UNION ALL in a view that is
-- joined or grouped again; hence the UNION ALL stands in the two views of windows, which are small. Names that few
-- questions need are subqueries in the column, which cost nothing when the column is not asked for.

CREATE VIEW devices AS
SELECT d.name, d.mac, d.vendor, d.type, d.mac_random, d.role, d.label,
  (SELECT a.address FROM device_address a WHERE a.device = d.id AND a.address NOT LIKE '%:%' ORDER BY a.last_seen DESC, a.address LIMIT 1) AS ipv4,
  (SELECT a.address FROM device_address a WHERE a.device = d.id AND a.address LIKE '%:%' ORDER BY a.address LIKE 'fe80:%', a.last_seen DESC, a.address LIMIT 1) AS ipv6,
  d.frames_sent, d.bytes_sent, d.frames_received, d.bytes_received,
  datetime(d.first_seen/1000, 'unixepoch') AS first_seen_utc, datetime(d.last_seen/1000, 'unixepoch') AS last_seen_utc, d.type_rule, d.id
FROM device d WHERE d.id > 0;

CREATE VIEW usage_by_minute AS
SELECT c.utc, c.local, d.name AS device, d.mac, d.vendor,
  CASE e.kind WHEN 'device' THEN coalesce(nullif(e.address, ''), (SELECT p.name FROM device p WHERE p.id = e.device))
    ELSE coalesce(nullif(e.name, ''), nullif(e.address, ''), e.kind) END AS peer,
  e.kind AS peer_kind, nullif(e.address, '') AS peer_address, nullif(e.name_source, '') AS name_source, e.country, e.as_org,
  coalesce((SELECT t.name FROM protocol t WHERE t.number = u.protocol), u.protocol) AS protocol, u.port,
  CASE u.direction WHEN 0 THEN 'remote' WHEN 1 THEN 'lan' WHEN 2 THEN 'multicast' WHEN 3 THEN 'transit' ELSE 'link' END AS direction,
  u.bytes_up, u.bytes_down, u.packets_up, u.packets_down, u.flows, u.window
FROM coverage_minute c JOIN usage_minute u ON u.window = c.window JOIN device d ON d.id = u.device
  JOIN endpoint e ON e.id = u.endpoint;

-- The hours: those that are rolled up, and the minutes of the one that is still open. `hour` is the key of the rows in
-- usage_hour, `minute` that of the rows in usage_minute; one of them is NULL and finds nothing. In zones off by half
-- an hour an hour of UTC does not begin at a full hour of local time.
CREATE VIEW hour_parts AS
SELECT window, utc, local, window AS hour, NULL AS minute FROM coverage_hour
UNION ALL
SELECT window - window % 3600000, substr(utc, 1, 13) || ':00',
  strftime('%Y-%m-%d %H:%M', local, '-' || (window % 3600000 / 60000) || ' minutes'), NULL, window
FROM coverage_minute WHERE window >= (SELECT value FROM meta WHERE key = 'open_hour')
  AND window < (SELECT value + 3600000 FROM meta WHERE key = 'open_hour');

CREATE VIEW usage_by_hour AS
SELECT w.utc, w.local, d.name AS device, d.mac, d.vendor,
  CASE e.kind WHEN 'device' THEN coalesce(nullif(e.address, ''), (SELECT p.name FROM device p WHERE p.id = e.device))
    ELSE coalesce(nullif(e.name, ''), nullif(e.address, ''), e.kind) END AS peer,
  e.kind AS peer_kind, nullif(e.address, '') AS peer_address, nullif(e.name_source, '') AS name_source, e.country, e.as_org,
  coalesce((SELECT t.name FROM protocol t WHERE t.number = coalesce(u.protocol, m.protocol)), u.protocol, m.protocol) AS protocol,
  coalesce(u.port, m.port) AS port,
  CASE coalesce(u.direction, m.direction) WHEN 0 THEN 'remote' WHEN 1 THEN 'lan' WHEN 2 THEN 'multicast' WHEN 3 THEN 'transit' ELSE 'link' END AS direction,
  coalesce(u.bytes_up, m.bytes_up) AS bytes_up, coalesce(u.bytes_down, m.bytes_down) AS bytes_down,
  coalesce(u.packets_up, m.packets_up) AS packets_up, coalesce(u.packets_down, m.packets_down) AS packets_down,
  coalesce(u.flows, m.flows) AS flows, w.window
FROM hour_parts w JOIN device d
  LEFT JOIN usage_hour u ON u.window = w.hour AND u.device = d.id
  LEFT JOIN usage_minute m ON m.window = w.minute AND m.device = d.id
  JOIN endpoint e ON e.id = coalesce(u.endpoint, m.endpoint);

-- The days, in the same way. A minute's day begins its local time of day before it, if that is within the open hour,
-- and else where the day of the open hour does.
CREATE VIEW day_parts AS
SELECT window, local AS day, window AS whole, NULL AS minute FROM coverage_day
UNION ALL
SELECT CASE WHEN (substr(local, 12, 2) * 60 + substr(local, 15, 2)) * 60000 < window % 3600000
    THEN window - (substr(local, 12, 2) * 60 + substr(local, 15, 2)) * 60000
    ELSE (SELECT value FROM meta WHERE key = 'open_day') END,
  substr(local, 1, 10), NULL, window
FROM coverage_minute WHERE window >= (SELECT value FROM meta WHERE key = 'open_hour')
  AND window < (SELECT value + 3600000 FROM meta WHERE key = 'open_hour');

CREATE VIEW usage_by_day AS
SELECT w.day, d.name AS device, d.mac, d.vendor,
  CASE e.kind WHEN 'device' THEN coalesce(nullif(e.address, ''), (SELECT p.name FROM device p WHERE p.id = e.device))
    ELSE coalesce(nullif(e.name, ''), nullif(e.address, ''), e.kind) END AS peer,
  e.kind AS peer_kind, nullif(e.address, '') AS peer_address, nullif(e.name_source, '') AS name_source, e.country, e.as_org,
  coalesce((SELECT t.name FROM protocol t WHERE t.number = coalesce(u.protocol, m.protocol)), u.protocol, m.protocol) AS protocol,
  coalesce(u.port, m.port) AS port,
  CASE coalesce(u.direction, m.direction) WHEN 0 THEN 'remote' WHEN 1 THEN 'lan' WHEN 2 THEN 'multicast' WHEN 3 THEN 'transit' ELSE 'link' END AS direction,
  coalesce(u.bytes_up, m.bytes_up) AS bytes_up, coalesce(u.bytes_down, m.bytes_down) AS bytes_down,
  coalesce(u.packets_up, m.packets_up) AS packets_up, coalesce(u.packets_down, m.packets_down) AS packets_down,
  coalesce(u.flows, m.flows) AS flows, w.window
FROM day_parts w JOIN device d
  LEFT JOIN usage_day u ON u.window = w.whole AND u.device = d.id
  LEFT JOIN usage_minute m ON m.window = w.minute AND m.device = d.id
  JOIN endpoint e ON e.id = coalesce(u.endpoint, m.endpoint);

CREATE VIEW usage_by_month AS
SELECT substr(day, 1, 7) AS month, device, mac, vendor, peer, peer_kind, country, as_org, protocol, port, direction,
  sum(bytes_up) AS bytes_up, sum(bytes_down) AS bytes_down, sum(packets_up) AS packets_up, sum(packets_down) AS packets_down, sum(flows) AS flows
FROM usage_by_day GROUP BY substr(day, 1, 7), device, mac, peer, peer_kind, protocol, port, direction;

-- By name, for one name has many addresses: those of a day, or of a country.
CREATE VIEW device_endpoints AS
SELECT d.name AS device, d.mac AS mac, e.kind AS peer_kind,
  CASE e.kind WHEN 'device' THEN coalesce(nullif(e.address, ''), (SELECT p.name FROM device p WHERE p.id = e.device))
    ELSE coalesce(nullif(e.name, ''), nullif(e.address, ''), e.kind) END AS peer,
  trim(substr('sni  quic http dns  mdns ptr  ', min(instr('sni  quic http dns  mdns ptr  ', nullif(e.name_source, ''))), 5)) AS name_source, -- the most trusted
  count(DISTINCT nullif(e.address, '')) AS addresses,
  min(e.country) AS country, min(e.as_org) AS as_org,
  sum(coalesce(u.bytes_up, m.bytes_up)) AS bytes_up, sum(coalesce(u.bytes_down, m.bytes_down)) AS bytes_down,
  sum(coalesce(u.flows, m.flows)) AS flows, min(w.day) AS first_day, max(w.day) AS last_day
FROM day_parts w JOIN device d
  LEFT JOIN usage_day u ON u.window = w.whole AND u.device = d.id
  LEFT JOIN usage_minute m ON m.window = w.minute AND m.device = d.id
  JOIN endpoint e ON e.id = coalesce(u.endpoint, m.endpoint)
GROUP BY d.name, d.mac, e.kind, 4;

CREATE VIEW top_talkers AS
SELECT day, device, mac, vendor, sum(bytes_up) AS bytes_up, sum(bytes_down) AS bytes_down, sum(flows) AS flows
FROM usage_by_day GROUP BY day, device, mac ORDER BY day DESC, sum(bytes_up) + sum(bytes_down) DESC;

CREATE VIEW flows AS
SELECT datetime(f.start/1000, 'unixepoch') AS start_utc, datetime(f.end/1000, 'unixepoch') AS end_utc,
  d.name AS device, d.mac, coalesce((SELECT t.name FROM protocol t WHERE t.number = f.protocol), f.protocol) AS protocol, f.service,
  CASE f.service_parsed WHEN 1 THEN 'parsed' WHEN 0 THEN 'port' END AS service_source,
  CASE f.direction WHEN 0 THEN 'remote' WHEN 1 THEN 'lan' WHEN 2 THEN 'multicast' WHEN 3 THEN 'transit' ELSE 'link' END AS direction,
  f.opened_by, f.local_address, f.local_port, f.remote_address, f.remote_port, f.name, f.name_source, f.hidden,
  CASE e.kind WHEN 'device' THEN coalesce(nullif(e.address, ''), (SELECT p.name FROM device p WHERE p.id = e.device))
    ELSE coalesce(nullif(e.name, ''), nullif(e.address, ''), e.kind) END AS peer,
  e.country, e.as_org, f.bytes_up, f.bytes_down, f.packets_up, f.packets_down, f.ip_bytes_up, f.ip_bytes_down,
  f.tcp_flags_up, f.tcp_flags_down, f.conn_state, f.end_reason, f.rtt_us, f.vlan,
  (SELECT i.name FROM interface i WHERE i.id = f.interface) AS interface,
  f.start, f.end, f.id, f.part, f.reported
FROM flow f JOIN device d ON d.id = f.device JOIN endpoint e ON e.id = f.endpoint;

-- Zeek's conn.log: one row a connection, seen from who opened it. `orig_bytes` would be payload; what is known is IP.
-- `server_name` is in its ssl.log.
CREATE VIEW conn AS
SELECT min(f.start)/1000.0 AS ts, 'F' || f.id AS uid,
  CASE f.opened_by WHEN 'peer' THEN f.remote_address ELSE f.local_address END AS "id.orig_h",
  CASE f.opened_by WHEN 'peer' THEN f.remote_port ELSE f.local_port END AS "id.orig_p",
  CASE f.opened_by WHEN 'peer' THEN f.local_address ELSE f.remote_address END AS "id.resp_h",
  CASE f.opened_by WHEN 'peer' THEN f.local_port ELSE f.remote_port END AS "id.resp_p",
  CASE f.protocol WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' WHEN 1 THEN 'icmp' WHEN 58 THEN 'icmp' ELSE 'unknown_transport' END AS proto,
  max(f.service) AS service, max(f.name) AS server_name, (max(f.end) - min(f.start))/1000.0 AS duration,
  substr(max(printf('%010d', f.part) || f.conn_state), 11) AS conn_state, -- that of the last part
  sum(CASE f.opened_by WHEN 'peer' THEN f.packets_down ELSE f.packets_up END) AS orig_pkts,
  sum(CASE f.opened_by WHEN 'peer' THEN f.ip_bytes_down ELSE f.ip_bytes_up END) AS orig_ip_bytes,
  sum(CASE f.opened_by WHEN 'peer' THEN f.packets_up ELSE f.packets_down END) AS resp_pkts,
  sum(CASE f.opened_by WHEN 'peer' THEN f.ip_bytes_up ELSE f.ip_bytes_down END) AS resp_ip_bytes,
  f.vlan, d.name AS device, d.mac
FROM device d CROSS JOIN flow f ON f.device = d.id AND f.side = 0 GROUP BY d.name, d.mac, f.id;

CREATE VIEW address_history AS
SELECT a.address, d.name AS device, d.mac, datetime(a.first_seen/1000, 'unixepoch') AS from_utc,
  datetime(a.last_seen/1000, 'unixepoch') AS to_utc, a.source
FROM device_address a JOIN device d ON d.id = a.device;

CREATE VIEW new_today AS
SELECT * FROM devices WHERE first_seen_utc >= (SELECT datetime(value/1000, 'unixepoch') FROM meta WHERE key = 'open_day');

CREATE VIEW coverage_by_day AS
SELECT substr(local, 1, 10) AS day, sum(observed_ms) AS observed_ms, sum(frames) AS frames, sum(bytes) AS bytes,
  sum(dropped) AS dropped, sum(interface_dropped) AS interface_dropped,
  sum(undecodable) AS undecodable, sum(undecodable_bytes) AS undecodable_bytes,
  sum(folded) AS folded, sum(folded_bytes) AS folded_bytes
FROM (SELECT * FROM coverage_day UNION ALL
      SELECT * FROM coverage_minute WHERE window >= (SELECT value FROM meta WHERE key = 'open_hour')
  AND window < (SELECT value + 3600000 FROM meta WHERE key = 'open_hour')) GROUP BY 1;

CREATE VIEW dns_queries AS
SELECT d.name AS device, d.mac, n.name,
  CASE n.type WHEN 0 THEN '*' WHEN 1 THEN 'A' WHEN 2 THEN 'NS' WHEN 5 THEN 'CNAME' WHEN 6 THEN 'SOA' WHEN 12 THEN 'PTR'
    WHEN 13 THEN 'HINFO' WHEN 15 THEN 'MX' WHEN 16 THEN 'TXT' WHEN 28 THEN 'AAAA' WHEN 33 THEN 'SRV' WHEN 35 THEN 'NAPTR'
    WHEN 43 THEN 'DS' WHEN 46 THEN 'RRSIG' WHEN 47 THEN 'NSEC' WHEN 48 THEN 'DNSKEY' WHEN 52 THEN 'TLSA' WHEN 64 THEN 'SVCB'
    WHEN 65 THEN 'HTTPS' WHEN 255 THEN 'ANY' WHEN 257 THEN 'CAA' ELSE n.type END AS type,
  CASE n.rcode WHEN -1 THEN 'no answer' WHEN 0 THEN 'NOERROR' WHEN 1 THEN 'FORMERR' WHEN 2 THEN 'SERVFAIL'
    WHEN 3 THEN 'NXDOMAIN' WHEN 4 THEN 'NOTIMP' WHEN 5 THEN 'REFUSED' WHEN 6 THEN 'YXDOMAIN' WHEN 9 THEN 'NOTAUTH'
    WHEN 10 THEN 'NOTZONE' ELSE n.rcode END AS rcode,
  n.count, datetime(n.first/1000, 'unixepoch') AS first_utc, datetime(n.last/1000, 'unixepoch') AS last_utc, n.window
FROM dns_hour n JOIN device d ON d.id = n.device;

-- Who asks where nobody can see the question. It has what flows have, so it goes back as far as they do.
CREATE VIEW hidden_dns AS
SELECT d.name AS device, d.mac AS mac, f.hidden AS how, coalesce(f.name, f.remote_address) AS resolver,
  count(DISTINCT f.id) AS flows, sum(f.bytes_up) AS bytes_up, sum(f.bytes_down) AS bytes_down,
  datetime(min(f.start)/1000, 'unixepoch') AS first_utc, datetime(max(f.end)/1000, 'unixepoch') AS last_utc
FROM device d CROSS JOIN flow f ON f.device = d.id
WHERE f.hidden IN ('dot', 'doh', 'doq') AND f.opened_by IS NOT 'peer'
GROUP BY d.name, d.mac, f.hidden, coalesce(f.name, f.remote_address);

-- What the other side of rows can be.
CREATE VIEW endpoints AS
SELECT CASE e.kind WHEN 'device' THEN (SELECT p.name FROM device p WHERE p.id = e.device) ELSE nullif(e.name, '') END AS name,
  nullif(e.name_source, '') AS name_source, nullif(e.address, '') AS address, e.kind, e.country, e.as_org,
  date(e.last_day * 86400, 'unixepoch') AS last_day, e.id
FROM endpoint e WHERE e.id > 1;

-- What devices say of themselves; not what their owner calls them.
CREATE VIEW device_names AS
SELECT d.name AS device, d.mac, s.source, s.value, datetime(s.first_seen/1000, 'unixepoch') AS first_seen_utc,
  datetime(s.last_seen/1000, 'unixepoch') AS last_seen_utc
FROM device d JOIN device_name s ON s.device = d.id WHERE s.source NOT IN ('config', 'label');

-- Devices that say the same of themselves, of which one makes up its address. Each is held against the one that said it
-- last before: of a phone with a new address each day that is a chain, and whoever calls a thousand others so is no
-- million of pairs. What many things are called by their makers says nothing.
CREATE VIEW maybe_same_device AS
SELECT d.name AS device, d.mac AS mac, o.name AS other, o.mac AS other_mac, group_concat(p.reason, ', ') AS reason,
  datetime(d.first_seen/1000, 'unixepoch') AS first_seen_utc, datetime(d.last_seen/1000, 'unixepoch') AS last_seen_utc,
  datetime(o.first_seen/1000, 'unixepoch') AS other_first_seen_utc, datetime(o.last_seen/1000, 'unixepoch') AS other_last_seen_utc,
  EXISTS (SELECT 1 FROM device_address a JOIN device_address b ON b.device = o.id AND b.first_seen < a.last_seen AND b.last_seen > a.first_seen
    WHERE a.device = d.id) AS at_the_same_time
FROM (
    SELECT s.device, s.source || ' ' || s.value AS reason,
      lag(s.device) OVER (PARTITION BY s.source, s.value ORDER BY x.first_seen, x.id) AS other
    FROM device_name s JOIN device x ON x.id = s.device
    WHERE s.source IN ('dhcp-client-id', 'duid', 'dhcp', 'dhcp-fqdn', 'dhcpv6', 'mdns', 'mdns-name')
      AND lower(s.value) NOT IN ('iphone', 'ipad', 'ipod', 'watch', 'apple-watch', 'mac', 'macbook', 'macbook-air', 'macbook-pro', 'macbookair',
        'macbookpro', 'imac', 'mac-mini', 'homepod', 'apple-tv', 'appletv', 'android', 'galaxy', 'phone', 'tablet', 'laptop', 'desktop', 'pc',
        'windows', 'linux', 'ubuntu', 'debian', 'fedora', 'raspberrypi', 'espressif', 'esp32', 'esp8266', 'openwrt', 'printer', 'camera',
        'localhost', 'localhost.localdomain', 'unknown', 'undefined', 'none', '(none)', 'null', 'n/a', 'default')
    ORDER BY s.source, s.value) p
  JOIN device d ON d.id = p.device JOIN device o ON o.id = p.other
WHERE (d.mac_random OR o.mac_random) AND coalesce(d.same_as, d.id) <> coalesce(o.same_as, o.id)
GROUP BY d.id, o.id;

CREATE VIEW events AS
SELECT datetime(v.time/1000, 'unixepoch') AS utc, v.kind, d.name AS device, d.mac, v.detail
FROM event v LEFT JOIN device d ON d.id = v.device;
