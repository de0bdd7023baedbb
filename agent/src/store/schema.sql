-- The file of lanscribe, version 1. Tables are singular and hold ids; views are plural, hold text, and are what
-- people and programs should read: they stay, the tables may change. See docs/schema.md.
--
-- Times are milliseconds since 1970 UTC, bytes are frame lengths on the wire. A window is named by its start; a day
-- is the site's civil day and starts at its local midnight. Columns that people filter on are stored, never
-- computed in a view; the hot tables have no second index, for each would triple the wear of the card.

CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;

CREATE TABLE device (
  id INTEGER PRIMARY KEY,              -- 0: nobody in particular (folded, refused, or a frame without addresses)
  mac TEXT UNIQUE,                     -- aa:bb:cc:dd:ee:ff; NULL for 0 only
  name TEXT NOT NULL,                  -- for display: label, else best device_name, else vendor and last three octets
  label TEXT,                          -- what the owner calls it
  vendor TEXT,
  mac_random INTEGER NOT NULL DEFAULT 0,
  role TEXT,                           -- gateway, self, or NULL
  same_as INTEGER REFERENCES device(id),
  frames_sent INTEGER NOT NULL DEFAULT 0, bytes_sent INTEGER NOT NULL DEFAULT 0,
  frames_received INTEGER NOT NULL DEFAULT 0, bytes_received INTEGER NOT NULL DEFAULT 0,
  first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL);
CREATE INDEX device_by_name ON device(name);

CREATE TABLE device_name (
  device INTEGER NOT NULL, source TEXT NOT NULL, value TEXT NOT NULL,
  first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,
  PRIMARY KEY (device, source, value)) WITHOUT ROWID;

CREATE TABLE device_address (
  address TEXT NOT NULL, first_seen INTEGER NOT NULL, device INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  source TEXT NOT NULL,                -- best evidence: dhcp, ndp, arp, traffic
  PRIMARY KEY (address, first_seen, device)) WITHOUT ROWID;
-- Without it the view `devices` reads all addresses once for each device. Seeing an address again does not touch it.
CREATE INDEX device_address_by_device ON device_address(device);

CREATE TABLE local_network (           -- what the LAN announced as its own
  prefix TEXT PRIMARY KEY, source TEXT NOT NULL, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE endpoint (                -- the other side of a row, whatever it is
  id INTEGER PRIMARY KEY,              -- 0: none (not IP), 1: other (folded)
  kind TEXT NOT NULL,                  -- none, other, remote, device, group
  address TEXT NOT NULL DEFAULT '',    -- RFC 5952; '' for kind device, but where its MAC address is not known
  name TEXT NOT NULL DEFAULT '',       -- '' and never NULL: UNIQUE takes NULLs for different
  name_source TEXT NOT NULL DEFAULT '',
  device INTEGER NOT NULL DEFAULT 0,   -- kind device: whose
  country TEXT, city TEXT, lat REAL, lon REAL, asn INTEGER, as_org TEXT,
  last_day INTEGER NOT NULL,           -- days since 1970 when it was last used; what retention goes by
  UNIQUE (kind, address, name, device));

-- One row a window in which something was watched; every usage view is joined through it.
CREATE TABLE coverage_minute (
  window INTEGER PRIMARY KEY, utc TEXT NOT NULL, local TEXT NOT NULL,
  observed_ms INTEGER NOT NULL,
  clock TEXT NOT NULL,                 -- capture (times are a file's), synced, unsynced
  frames INTEGER NOT NULL, bytes INTEGER NOT NULL,
  dropped INTEGER NOT NULL, interface_dropped INTEGER NOT NULL,
  undecodable INTEGER NOT NULL, undecodable_bytes INTEGER NOT NULL,
  folded INTEGER NOT NULL, folded_bytes INTEGER NOT NULL);
CREATE TABLE coverage_hour (
  window INTEGER PRIMARY KEY, utc TEXT NOT NULL, local TEXT NOT NULL,
  observed_ms INTEGER NOT NULL, clock TEXT NOT NULL, frames INTEGER NOT NULL, bytes INTEGER NOT NULL,
  dropped INTEGER NOT NULL, interface_dropped INTEGER NOT NULL, undecodable INTEGER NOT NULL,
  undecodable_bytes INTEGER NOT NULL, folded INTEGER NOT NULL, folded_bytes INTEGER NOT NULL);
CREATE TABLE coverage_day (
  window INTEGER PRIMARY KEY, utc TEXT NOT NULL, local TEXT NOT NULL,
  observed_ms INTEGER NOT NULL, clock TEXT NOT NULL, frames INTEGER NOT NULL, bytes INTEGER NOT NULL,
  dropped INTEGER NOT NULL, interface_dropped INTEGER NOT NULL, undecodable INTEGER NOT NULL,
  undecodable_bytes INTEGER NOT NULL, folded INTEGER NOT NULL, folded_bytes INTEGER NOT NULL);
CREATE TABLE skip (                    -- what could not be decoded, by hour and reason
  window INTEGER NOT NULL, reason TEXT NOT NULL, frames INTEGER NOT NULL, bytes INTEGER NOT NULL,
  PRIMARY KEY (window, reason)) WITHOUT ROWID;

CREATE TABLE usage_minute (
  window INTEGER NOT NULL, device INTEGER NOT NULL, endpoint INTEGER NOT NULL,
  protocol INTEGER NOT NULL,           -- 0..255 IP protocol, 256 + DSAP, from 1536 on EtherType
  port INTEGER NOT NULL,               -- of the service, 0 if none; never an ephemeral one
  direction INTEGER NOT NULL,          -- 0 remote, 1 lan, 2 multicast, 3 transit, 4 link (not IP)
  bytes_up INTEGER NOT NULL, bytes_down INTEGER NOT NULL, packets_up INTEGER NOT NULL, packets_down INTEGER NOT NULL,
  flows INTEGER NOT NULL,              -- that STARTED in the window, so that sums add up
  PRIMARY KEY (window, device, endpoint, protocol, port, direction)) WITHOUT ROWID;
CREATE TABLE usage_hour (
  window INTEGER NOT NULL, device INTEGER NOT NULL, endpoint INTEGER NOT NULL,
  protocol INTEGER NOT NULL, port INTEGER NOT NULL, direction INTEGER NOT NULL,
  bytes_up INTEGER NOT NULL, bytes_down INTEGER NOT NULL, packets_up INTEGER NOT NULL, packets_down INTEGER NOT NULL,
  flows INTEGER NOT NULL,
  PRIMARY KEY (window, device, endpoint, protocol, port, direction)) WITHOUT ROWID;
CREATE TABLE usage_day (
  window INTEGER NOT NULL, device INTEGER NOT NULL, endpoint INTEGER NOT NULL,
  protocol INTEGER NOT NULL, port INTEGER NOT NULL, direction INTEGER NOT NULL,
  bytes_up INTEGER NOT NULL, bytes_down INTEGER NOT NULL, packets_up INTEGER NOT NULL, packets_down INTEGER NOT NULL,
  flows INTEGER NOT NULL,
  PRIMARY KEY (window, device, endpoint, protocol, port, direction)) WITHOUT ROWID;

CREATE TABLE interface (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE flow (
  reported INTEGER NOT NULL,           -- 5-minute window in which it was due; retention and time filters go by it
  device INTEGER NOT NULL, id INTEGER NOT NULL,
  part INTEGER NOT NULL,               -- 0, 1, 2 ... of a long flow; counters are deltas, so sum() is right
  side INTEGER NOT NULL,               -- 1 in the second row of a conversation within the LAN, its receiver's
  start INTEGER NOT NULL, end INTEGER NOT NULL, interface INTEGER NOT NULL, vlan INTEGER,
  local_address TEXT NOT NULL, local_port INTEGER, endpoint INTEGER NOT NULL,
  remote_address TEXT NOT NULL, remote_port INTEGER,
  protocol INTEGER NOT NULL, direction INTEGER NOT NULL,
  opened_by TEXT,                      -- device, peer, or NULL where no handshake was seen
  bytes_up INTEGER NOT NULL, bytes_down INTEGER NOT NULL, ip_bytes_up INTEGER NOT NULL, ip_bytes_down INTEGER NOT NULL,
  packets_up INTEGER NOT NULL, packets_down INTEGER NOT NULL, tcp_flags_up INTEGER, tcp_flags_down INTEGER,
  conn_state TEXT,                     -- Zeek's
  end_reason INTEGER NOT NULL,         -- IPFIX 136: 1 idle, 2 active, 3 end detected, 4 forced, 5 no room
  service TEXT, name TEXT, name_source TEXT, rtt_us INTEGER,
  PRIMARY KEY (reported, device, id, part, side)) WITHOUT ROWID;

CREATE TABLE dns_hour (
  window INTEGER NOT NULL, device INTEGER NOT NULL, name TEXT NOT NULL, type INTEGER NOT NULL, rcode INTEGER NOT NULL,
  count INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (window, device, name, type, rcode)) WITHOUT ROWID;
CREATE TABLE peak (
  window INTEGER NOT NULL, device INTEGER NOT NULL, direction TEXT NOT NULL,
  bytes INTEGER NOT NULL, expected INTEGER NOT NULL, score REAL NOT NULL,
  PRIMARY KEY (window, device, direction)) WITHOUT ROWID;
CREATE TABLE event (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL, device INTEGER, detail TEXT);
CREATE TABLE mark (id INTEGER PRIMARY KEY, start INTEGER NOT NULL, end INTEGER, device INTEGER, text TEXT NOT NULL);

CREATE TABLE capture (                 -- files that were read into this one
  id INTEGER PRIMARY KEY, name TEXT NOT NULL,
  digest TEXT NOT NULL,                -- SHA-256 of its frames' times and lengths: what tells it from other captures
  frames INTEGER NOT NULL, bytes INTEGER NOT NULL, first INTEGER, last INTEGER, read_at INTEGER NOT NULL, error TEXT);

CREATE TABLE protocol (number INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO protocol VALUES
 (0,'hopopt'),(1,'icmp'),(2,'igmp'),(4,'ipv4'),(6,'tcp'),(17,'udp'),(33,'dccp'),(41,'ipv6'),(46,'rsvp'),(47,'gre'),
 (50,'esp'),(51,'ah'),(58,'ipv6-icmp'),(59,'ipv6-nonxt'),(88,'eigrp'),(89,'ospf'),(103,'pim'),(112,'vrrp'),
 (115,'l2tp'),(132,'sctp'),(136,'udplite'),(139,'hip'),
 (298,'stp'),(480,'netbeui'),(510,'isis'),
 (2048,'ipv4 unreadable'),(2054,'arp'),(2114,'wol'),(8944,'ieee1905'),(32821,'rarp'),(33011,'aarp'),(33024,'vlan unreadable'),
 (33079,'ipx'),(34525,'ipv6 unreadable'),(34824,'flow control'),(34825,'lacp'),(34827,'ppp'),(34887,'mpls'),
 (34915,'pppoe discovery'),(34916,'pppoe unreadable'),(34958,'eapol'),(35006,'tdls'),(35020,'lldp'),(35041,'homeplug'),
 (35045,'macsec'),(35061,'ieee1905.1'),(35063,'ptp'),(36864,'loopback'),(65535,'other');

-- Planner statistics by hand: rows, then rows per distinct prefix of the key. With them every sqlite3 goes by device
-- through the window of a key, before there is anything to ANALYZE; ANALYZE itself is never run.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 VALUES
 ('usage_minute','usage_minute','500000 200 10 2 1 1 1'),('usage_hour','usage_hour','2000000 1000 30 2 1 1 1'),
 ('usage_day','usage_day','500000 1500 40 2 1 1 1'),('flow','flow','1400000 350 10 1 1 1'),
 ('dns_hour','dns_hour','400000 200 10 2 1 1'),
 ('coverage_minute',NULL,'2880'),('coverage_hour',NULL,'2160'),('coverage_day',NULL,'365'),
 ('device','device_by_name','300 1'),('device_address','device_address','3000 3 1 1'),('device_address','device_address_by_device','3000 10'),
 ('endpoint',NULL,'12000'),('protocol',NULL,'60'),('interface',NULL,'2');

INSERT INTO device (id, name, first_seen, last_seen) VALUES (0, 'other', 0, 0);
INSERT INTO endpoint (id, kind, last_day) VALUES (0, 'none', 0), (1, 'other', 0);
