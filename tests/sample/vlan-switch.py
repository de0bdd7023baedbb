#!/usr/bin/env python3
"""A learning switch with one 802.1Q trunk, for the sample capture of a trunk.

It runs in a namespace of `record` and moves real frames between access ports (untagged)
and the trunk (tagged). It is here because kernels without the 8021q module are common in
small machines and virtual ones; the frames come out the same.

usage: vlan-switch.py TRUNK PORT=VLAN...
"""
import select
import socket
import struct
import sys

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID = 0x10


def open_port(name):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.bind((name, 0))
    return sock


def receive(sock):
    """One frame and the VLAN the kernel took off it, or None for what we sent ourselves."""
    frame, extra, _, sender = sock.recvmsg(65535, 256)
    if sender[2] == PACKET_OUTGOING or len(frame) < 14:
        return None
    vlan = None
    for level, kind, data in extra:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            # struct tpacket_auxdata: status, len, snaplen, mac, net, vlan_tci, vlan_tpid
            status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", data[:20])
            if status & TP_STATUS_VLAN_VALID:
                vlan = tci & 0x0FFF
    return frame, vlan


def main(trunk_name, *pairs):
    trunk = open_port(trunk_name)
    vlan_of = {}
    for pair in pairs:
        name, _, vlan = pair.partition("=")
        vlan_of[open_port(name)] = int(vlan)
    learned = {}  # (vlan, MAC) -> port

    while True:
        for port in select.select([trunk, *vlan_of], [], [])[0]:
            got = receive(port)
            if not got:
                continue
            frame, tag = got
            vlan = tag if port is trunk else vlan_of[port]
            if vlan is None:
                continue  # untagged on the trunk: the native VLAN, which has no port here
            target, source = frame[:6], frame[6:12]
            learned[vlan, source] = port
            out = learned.get((vlan, target)) if not target[0] & 1 else None
            members = [trunk] + [p for p, v in vlan_of.items() if v == vlan]
            for member in [out] if out else members:
                if member is port:
                    continue
                tagged = frame[:12] + struct.pack("!HH", 0x8100, vlan) + frame[12:]
                member.send(tagged if member is trunk else frame)


if __name__ == "__main__":
    main(*sys.argv[1:])
