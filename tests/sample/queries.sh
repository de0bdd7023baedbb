sqlite3 -box lanscribe.db "SELECT name, vendor, ipv4, bytes_sent, bytes_received FROM devices ORDER BY bytes_sent DESC"
sqlite3 -box lanscribe.db "SELECT device, peer, sum(bytes_up) AS up, sum(bytes_down) AS down FROM usage_by_day WHERE direction = 'remote' GROUP BY device, peer ORDER BY up DESC LIMIT 10"
sqlite3 -box lanscribe.db "SELECT start_utc, device, remote_address, remote_port, conn_state FROM flows WHERE protocol = 'tcp' AND conn_state IN ('S0', 'REJ')"
