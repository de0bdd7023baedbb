# shellcheck shell=bash
# The IPv6-only network with two VLANs on one trunk; sourced by `record`.
# Router --(VLANs 10 and 20)-- switch A ==trunk== switch B -- laptop (10), camera and sensor (20).
# The router namespace and the internet of the home are used again; see home-net.sh.
# shellcheck disable=SC2154

trunk_devices="notebook 10 f8:e4:3b:61:0d:22
door 20 ac:cc:8e:57:31:9a
meter 20 7c:df:a1:44:e6:03"

quiet_port() { # a switch's port is no host: no IPv6 of its own
  in_ns "$1" sysctl -qw "net.ipv6.conf.$2.disable_ipv6=1"
  ip -n "$prefix-$1" link set "$2" up
}

build_trunk() {
  local vlan name mac
  new_ns switch-a
  new_ns switch-b
  for vlan in 10 20; do
    cable switch-a "to-router$vlan" router "vlan$vlan" "3c:a6:2f:10:20:$vlan"
    quiet_port switch-a "to-router$vlan"
    ip -n "$prefix-router" addr add "${lan6}$vlan::1/64" dev "vlan$vlan" nodad
    ip -n "$prefix-router" link set "vlan$vlan" up
  done
  # The trunk's ends do speak IPv6, untagged: that is the native VLAN.
  cable switch-a trunk switch-b trunk a0:40:a0:12:9c:02
  ip -n "$prefix-switch-a" link set trunk address a0:40:a0:12:9c:01 up
  ip -n "$prefix-switch-b" link set trunk up
  while read -r name vlan mac; do
    new_ns "$name"
    cable switch-b "port-$name" "$name" eth0 "$mac"
    quiet_port switch-b "port-$name"
    echo "nameserver ${lan6}$vlan::1" >"/etc/netns/$prefix-$name/resolv.conf"
  done <<<"$trunk_devices"

  printf '%s\n' no-resolv no-hosts user=root bind-dynamic interface=vlan10 interface=vlan20 \
    server=2003:c0:8f00::1 "pid-file=$tmp/trunk.pid" enable-ra \
    ra-param=vlan10,12,600 ra-param=vlan20,12,600 \
    "dhcp-range=${lan6}10::,ra-stateless,64,10m" "dhcp-range=${lan6}20::,ra-stateless,64,10m" \
    >"$tmp/trunk.conf"
  daemon router dnsmasq -k -C "$tmp/trunk.conf"
  daemon switch-a "$here/vlan-switch.py" trunk to-router10=10 to-router20=20
  daemon switch-b "$here/vlan-switch.py" trunk port-notebook=10 port-door=20 port-meter=20
  sleep 1
}

play_trunk() { # about 35 seconds
  local name
  for name in door meter notebook; do
    in_ns "$name" ip link set eth0 up
    sleep 1
  done
  sleep 4 # router advertisements and duplicate address detection
  local get=(curl -6 -s -o /dev/null -m 8 --cacert "$tmp/ca.pem")
  local door="[${lan6}20:aecc:8eff:fe57:319a]"
  daemon door "$here/servers.py" http 80
  sleep 1
  in_ns switch-b ping -q -6 -c 2 ff02::1%trunk >/dev/null
  in_ns notebook "${get[@]}" https://www.news.example.org/data/4000 || true
  in_ns door "${get[@]}" https://api.thermostat-cloud.example/door || true
  in_ns meter ntpdig -t 2 ntp.example.net >/dev/null 2>&1 || true
  in_ns notebook "${get[@]}" "http://$door/data/3000" || true # VLAN 10 to 20: twice on the trunk
  in_ns meter "${get[@]}" "http://$door/state" || true        # stays behind switch B: not on it
  in_ns notebook getent ahosts no-such-host.example.org >/dev/null || true
  in_ns notebook ping -q -c 2 -i 0.5 www.news.example.org >/dev/null || true
  in_ns door "$here/chatter.py" udp www.news.example.org 9 2500 || true # IPv6 fragments
  sleep 8
  in_ns meter "${get[@]}" https://photos.social-app.example/reading || true
  in_ns door "${get[@]}" https://api.thermostat-cloud.example/door || true
  sleep 2
}
