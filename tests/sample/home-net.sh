# shellcheck shell=bash
# The home and its make-believe internet, built from network namespaces; sourced by `record`.
# Nothing here has a way out: every link is a veth pair between two namespaces of ours.
# Wanted: $prefix (start of our namespaces' names), $tmp, $here.
# shellcheck disable=SC2154

lan4=192.168.178      # /24
lan6=2003:c0:8f2a:51  # 00::/64 is added below; a range of a German provider, see internet.tsv
wan4=84.63.120        # the router's side of the provider link

in_ns() { ip netns exec "$prefix-$1" "${@:2}"; }

daemon() { # in_ns in the background; disowned, or bash would report its end
  ip netns exec "$prefix-$1" "${@:2}" >>"$tmp/daemons.log" 2>&1 &
  disown $!
}

new_ns() { # a namespace with its own resolv.conf and loopback up
  mkdir -p "/etc/netns/$prefix-$1"
  : >"/etc/netns/$prefix-$1/resolv.conf"
  ip netns add "$prefix-$1"
  ip -n "$prefix-$1" link set lo up
}

plain_frames() { # plain_frames NS LINK: checksums on the wire and no joined segments,
  # or the capture would show half-made checksums and packets no cable can carry
  in_ns "$1" ethtool -K "$2" tx off rx off tso off gso off gro off >/dev/null 2>&1 || true
}

cable() { # cable NS1 LINK1 NS2 LINK2 [MAC2]
  ip -n "$prefix-$1" link add "$2" type veth peer name "$4" ${5:+address "$5"} netns "$prefix-$3"
  plain_frames "$1" "$2"
  plain_frames "$3" "$4"
}

table() { grep -v '^#' "$here/$1"; } # the lines of one of our tables

build_internet() {
  new_ns internet
  local name v4 v6
  while IFS=$'\t' read -r name v4 v6; do
    [[ $v4 == - ]] || ip -n "$prefix-internet" addr add "$v4/32" dev lo
    [[ $v6 == - ]] || ip -n "$prefix-internet" addr add "$v6/128" dev lo nodad
  done < <(table internet.tsv)
  # One of the hosts never answers: what reaches its address is dropped without a word.
  in_ns internet nft -f - <<END
table inet dead {
  chain in { type filter hook input priority 0; ip daddr 77.88.21.90 drop; }
}
END
}

build_router() {
  new_ns router
  local r=$prefix-router
  ip -n "$r" link add br-lan address 3c:a6:2f:10:20:01 type bridge stp_state 0 mcast_snooping 0
  plain_frames router br-lan
  in_ns router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  # Frames between two LAN ports must pass untouched, fragments too.
  in_ns router sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 \
    2>/dev/null || true
  ip -n "$r" addr add "$lan4.1/24" dev br-lan
  ip -n "$r" addr add "${lan6}00::1/64" dev br-lan nodad
  ip -n "$r" link set br-lan up

  cable internet home router wan0 3c:a6:2f:10:20:02
  ip -n "$prefix-internet" addr add "$wan4.1/24" dev home
  ip -n "$prefix-internet" addr add 2003:c0:8f00::1/64 dev home nodad
  ip -n "$prefix-internet" link set home up
  ip -n "$r" addr add "$wan4.77/24" dev wan0
  ip -n "$r" addr add 2003:c0:8f00::2/64 dev wan0 nodad
  ip -n "$r" link set wan0 up
  ip -n "$r" route add default via "$wan4.1"
  ip -n "$r" -6 route add default via 2003:c0:8f00::1
  ip -n "$prefix-internet" -6 route add "${lan6}00::/56" via 2003:c0:8f00::2
  in_ns router nft -f - <<END
table ip nat {
  chain out { type nat hook postrouting priority 100; oifname "wan0" masquerade; }
}
END
}

build_devices() {
  local name host mac v4 v6 class
  while IFS=$'\t' read -r name host mac v4 v6 class; do
    new_ns "$name"
    cable router "lan-$name" "$name" eth0 "$mac"
    ip -n "$prefix-router" link set "lan-$name" master br-lan
    in_ns router sysctl -qw "net.ipv6.conf.lan-$name.disable_ipv6=1" # a port is no host
    ip -n "$prefix-router" link set "lan-$name" up
  done < <(table home-devices.tsv)
}

make_certificates() { # a throw-away authority and one certificate for all hosts
  local names
  names=$(table internet.tsv | awk '{ printf "%sDNS:%s", (NR > 1 ? "," : ""), $1 }')
  names+=",DNS:upload.camera-cloud.example,DNS:cdn.tv-video.example"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
    -subj "/O=Sample/CN=Sample authority" -keyout "$tmp/ca.key" -out "$tmp/ca.pem" 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj "/O=Sample/CN=hosts.example" -keyout "$tmp/host.key" -out "$tmp/host.csr" 2>/dev/null
  openssl x509 -req -in "$tmp/host.csr" -CA "$tmp/ca.pem" -CAkey "$tmp/ca.key" -CAcreateserial \
    -days 30 -extfile <(echo "subjectAltName=$names") -out "$tmp/host.pem" 2>/dev/null
}

start_internet() {
  local s=$here/servers.py
  daemon internet "$s" http 80
  daemon internet "$s" https 443 "$tmp/host.pem" "$tmp/host.key"
  daemon internet "$s" tls-echo 5223 "$tmp/host.pem" "$tmp/host.key"
  daemon internet "$s" udp-echo 120.24.59.14 32100
  printf '%s\n' "listener 8883" "allow_anonymous true" "certfile $tmp/host.pem" \
    "keyfile $tmp/host.key" "user root" >"$tmp/mosquitto.conf"
  daemon internet mosquitto -c "$tmp/mosquitto.conf"
  # -x: this clock serves time and must never touch the machine's own.
  printf '%s\n' "local stratum 2" "allow all" "cmdport 0" "bindcmdaddress /" \
    "pidfile $tmp/chronyd.pid" >"$tmp/chrony.conf"
  daemon internet chronyd -x -d -u root -f "$tmp/chrony.conf"
  {
    printf '%s\n' no-resolv no-hosts local=/example/ local=/example.org/ local=/example.net/ \
      local=/example.com/ user=root local-ttl=120 "pid-file=$tmp/dns.pid" \
      cname=upload.camera-cloud.example,eu-store-3.bucket.example \
      cname=cdn.tv-video.example,edge-fra7.cdn-network.example
    table internet.tsv | sed 's/\t-//g; s/\t/,/g; s/^/host-record=/'
  } >"$tmp/dns.conf"
  daemon internet dnsmasq -k -C "$tmp/dns.conf"
}

start_router() {
  {
    # The shortest lease there is, so that renewals fall into the recording.
    printf '%s\n' no-resolv no-hosts user=root bind-dynamic interface=br-lan domain=lan local=/lan/ \
      server="$wan4.1" "pid-file=$tmp/router.pid" "dhcp-leasefile=$tmp/leases" \
      dhcp-authoritative enable-ra ra-param=br-lan,25,600 \
      "dhcp-range=$lan4.20,$lan4.200,2m" \
      "dhcp-range=${lan6}00::,ra-stateless,ra-names,64,10m"
    table home-devices.tsv | awk -F'\t' '{ print "dhcp-host=" $3 "," $4 }'
  } >"$tmp/router.conf"
  daemon router dnsmasq -k -C "$tmp/router.conf"
}

start_devices() { # every device lives in its own namespace, all on one clock
  local name host v6 class
  export SAMPLE_DIR=$here SAMPLE_TMP=$tmp SAMPLE_START
  SAMPLE_START=$(date +%s.%N)
  while IFS=$'\t' read -r name host _ _ v6 class; do
    HOST_NAME=$host V6=$v6 VENDOR_CLASS=$class daemon "$name" "$here/device-life" "$name"
  done < <(table home-devices.tsv)
}
