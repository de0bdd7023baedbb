-- The views: the public interface of the file. They are dropped and made again whenever a newer program opens it.

CREATE VIEW devices AS
SELECT d.name, d.mac, d.vendor, d.mac_random, d.role, d.label,
  (SELECT a.address FROM device_address a WHERE a.device = d.id AND a.address NOT LIKE '%:%' ORDER BY a.last_seen DESC, a.address LIMIT 1) AS ipv4,
  (SELECT a.address FROM device_address a WHERE a.device = d.id AND a.address LIKE '%:%' ORDER BY a.address LIKE 'fe80:%', a.last_seen DESC, a.address LIMIT 1) AS ipv6,
  d.frames_sent, d.bytes_sent, d.frames_received, d.bytes_received,
  datetime(d.first_seen/1000, 'unixepoch') AS first_seen_utc, datetime(d.last_seen/1000, 'unixepoch') AS last_seen_utc, d.id
FROM device d WHERE d.id > 0;

CREATE VIEW usage_by_minute AS
SELECT c.utc, c.local, d.name AS device, d.mac, d.vendor,
  CASE e.kind WHEN 'device' THEN coalesce(nullif(e.address, ''), p.name) ELSE coalesce(nullif(e.name, ''), nullif(e.address, ''), e.kind) END AS peer,
  e.kind AS peer_kind, e.country, e.as_org, coalesce(t.name, u.protocol) AS protocol, u.port,
  CASE u.direction WHEN 0 THEN 'remote' WHEN 1 THEN 'lan' WHEN 2 THEN 'multicast' WHEN 3 THEN 'transit' ELSE 'link' END AS direction,
  u.bytes_up, u.bytes_down, u.packets_up, u.packets_down, u.flows, u.window
FROM coverage_minute c JOIN usage_minute u ON u.window = c.window JOIN device d ON d.id = u.device
  JOIN endpoint e ON e.id = u.endpoint LEFT JOIN device p ON p.id = e.device LEFT JOIN protocol t ON t.number = u.protocol;

CREATE VIEW usage_by_hour AS
SELECT c.utc, c.local, d.name AS device, d.mac, d.vendor,
  CASE e.kind WHEN 'device' THEN coalesce(nullif(e.address, ''), p.name) ELSE coalesce(nullif(e.name, ''), nullif(e.address, ''), e.kind) END AS peer,
  e.kind AS peer_kind, e.country, e.as_org, coalesce(t.name, u.protocol) AS protocol, u.port,
  CASE u.direction WHEN 0 THEN 'remote' WHEN 1 THEN 'lan' WHEN 2 THEN 'multicast' WHEN 3 THEN 'transit' ELSE 'link' END AS direction,
  u.bytes_up, u.bytes_down, u.packets_up, u.packets_down, u.flows, u.window
FROM coverage_hour c JOIN usage_hour u ON u.window = c.window JOIN device d ON d.id = u.device
  JOIN endpoint e ON e.id = u.endpoint LEFT JOIN device p ON p.id = e.device LEFT JOIN protocol t ON t.number = u.protocol
UNION ALL -- the open hour, which is still in minutes
SELECT substr(utc, 1, 13) || ':00', substr(local, 1, 13) || ':00', device, mac, vendor, peer, peer_kind, country, as_org, protocol, port, direction,
  sum(bytes_up), sum(bytes_down), sum(packets_up), sum(packets_down), sum(flows), window - window % 3600000
FROM usage_by_minute WHERE window >= (SELECT value FROM meta WHERE key = 'open_hour')
GROUP BY window - window % 3600000, mac, device, peer, peer_kind, protocol, port, direction;

CREATE VIEW usage_by_day AS
SELECT c.local AS day, d.name AS device, d.mac, d.vendor,
  CASE e.kind WHEN 'device' THEN coalesce(nullif(e.address, ''), p.name) ELSE coalesce(nullif(e.name, ''), nullif(e.address, ''), e.kind) END AS peer,
  e.kind AS peer_kind, e.country, e.as_org, coalesce(t.name, u.protocol) AS protocol, u.port,
  CASE u.direction WHEN 0 THEN 'remote' WHEN 1 THEN 'lan' WHEN 2 THEN 'multicast' WHEN 3 THEN 'transit' ELSE 'link' END AS direction,
  u.bytes_up, u.bytes_down, u.packets_up, u.packets_down, u.flows, u.window
FROM coverage_day c JOIN usage_day u ON u.window = c.window JOIN device d ON d.id = u.device
  JOIN endpoint e ON e.id = u.endpoint LEFT JOIN device p ON p.id = e.device LEFT JOIN protocol t ON t.number = u.protocol
UNION ALL -- the open hour: the day that it belongs to shows two rows for one key, so sum them
SELECT substr(local, 1, 10), device, mac, vendor, peer, peer_kind, country, as_org, protocol, port, direction,
  sum(bytes_up), sum(bytes_down), sum(packets_up), sum(packets_down), sum(flows), NULL
FROM usage_by_minute WHERE window >= (SELECT value FROM meta WHERE key = 'open_hour')
GROUP BY substr(local, 1, 10), mac, device, peer, peer_kind, protocol, port, direction;

CREATE VIEW usage_by_month AS
SELECT substr(day, 1, 7) AS month, device, mac, vendor, peer, peer_kind, country, as_org, protocol, port, direction,
  sum(bytes_up) AS bytes_up, sum(bytes_down) AS bytes_down, sum(packets_up) AS packets_up, sum(packets_down) AS packets_down, sum(flows) AS flows
FROM usage_by_day GROUP BY substr(day, 1, 7), device, mac, peer, peer_kind, protocol, port, direction;

-- One level, grouped by the columns that people filter on: `where device = ...` then reaches the tables. The open
-- hour is not in it.
CREATE VIEW device_endpoints AS
SELECT d.name AS device, d.mac AS mac, e.kind AS peer_kind,
  CASE e.kind WHEN 'device' THEN coalesce(nullif(e.address, ''), p.name) ELSE coalesce(nullif(e.name, ''), nullif(e.address, ''), e.kind) END AS peer,
  e.country, e.as_org, sum(u.bytes_up) AS bytes_up, sum(u.bytes_down) AS bytes_down, sum(u.flows) AS flows,
  min(c.local) AS first_day, max(c.local) AS last_day
FROM device d JOIN usage_day u ON u.device = d.id JOIN coverage_day c ON c.window = u.window
  JOIN endpoint e ON e.id = u.endpoint LEFT JOIN device p ON p.id = e.device
GROUP BY d.name, d.mac, u.endpoint;

CREATE VIEW top_talkers AS
SELECT day, device, mac, vendor, sum(bytes_up) AS bytes_up, sum(bytes_down) AS bytes_down, sum(flows) AS flows
FROM usage_by_day GROUP BY day, device, mac ORDER BY day DESC, sum(bytes_up) + sum(bytes_down) DESC;

CREATE VIEW flows AS
SELECT datetime(f.start/1000, 'unixepoch') AS start_utc, datetime(f.end/1000, 'unixepoch') AS end_utc,
  d.name AS device, d.mac, coalesce(t.name, f.protocol) AS protocol, f.service,
  CASE f.direction WHEN 0 THEN 'remote' WHEN 1 THEN 'lan' WHEN 2 THEN 'multicast' WHEN 3 THEN 'transit' ELSE 'link' END AS direction,
  f.opened_by, f.local_address, f.local_port, f.remote_address, f.remote_port, f.name, f.name_source,
  CASE e.kind WHEN 'device' THEN coalesce(nullif(e.address, ''), p.name) ELSE coalesce(nullif(e.name, ''), nullif(e.address, ''), e.kind) END AS peer,
  e.country, e.as_org, f.bytes_up, f.bytes_down, f.packets_up, f.packets_down, f.ip_bytes_up, f.ip_bytes_down,
  f.tcp_flags_up, f.tcp_flags_down, f.conn_state, f.end_reason, f.rtt_us, f.vlan, i.name AS interface,
  f.start, f.end, f.id, f.part, f.reported
FROM flow f JOIN device d ON d.id = f.device JOIN endpoint e ON e.id = f.endpoint LEFT JOIN device p ON p.id = e.device
  LEFT JOIN protocol t ON t.number = f.protocol LEFT JOIN interface i ON i.id = f.interface;

-- Zeek's conn.log: one row a connection, seen from who opened it. `orig_bytes` would be payload; what is known is IP.
CREATE VIEW conn AS
SELECT min(f.start)/1000.0 AS ts, 'F' || f.id AS uid,
  CASE f.opened_by WHEN 'peer' THEN f.remote_address ELSE f.local_address END AS "id.orig_h",
  CASE f.opened_by WHEN 'peer' THEN f.remote_port ELSE f.local_port END AS "id.orig_p",
  CASE f.opened_by WHEN 'peer' THEN f.local_address ELSE f.remote_address END AS "id.resp_h",
  CASE f.opened_by WHEN 'peer' THEN f.local_port ELSE f.remote_port END AS "id.resp_p",
  CASE f.protocol WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' WHEN 1 THEN 'icmp' WHEN 58 THEN 'icmp' ELSE 'unknown_transport' END AS proto,
  f.service, (max(f.end) - min(f.start))/1000.0 AS duration,
  substr(max(printf('%010d', f.part) || f.conn_state), 11) AS conn_state, -- that of the last part
  sum(CASE f.opened_by WHEN 'peer' THEN f.packets_down ELSE f.packets_up END) AS orig_pkts,
  sum(CASE f.opened_by WHEN 'peer' THEN f.ip_bytes_down ELSE f.ip_bytes_up END) AS orig_ip_bytes,
  sum(CASE f.opened_by WHEN 'peer' THEN f.packets_up ELSE f.packets_down END) AS resp_pkts,
  sum(CASE f.opened_by WHEN 'peer' THEN f.ip_bytes_up ELSE f.ip_bytes_down END) AS resp_ip_bytes,
  f.vlan, d.name AS device, d.mac
FROM flow f JOIN device d ON d.id = f.device WHERE f.side = 0 GROUP BY f.id;

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
      SELECT * FROM coverage_minute WHERE window >= (SELECT value FROM meta WHERE key = 'open_hour')) GROUP BY 1;

CREATE VIEW dns_queries AS
SELECT d.name AS device, d.mac, n.name, n.type, n.rcode, n.count,
  datetime(n.first/1000, 'unixepoch') AS first_utc, datetime(n.last/1000, 'unixepoch') AS last_utc, n.window
FROM dns_hour n JOIN device d ON d.id = n.device;

CREATE VIEW events AS
SELECT datetime(v.time/1000, 'unixepoch') AS utc, v.kind, d.name AS device, d.mac, v.detail
FROM event v LEFT JOIN device d ON d.id = v.device;
