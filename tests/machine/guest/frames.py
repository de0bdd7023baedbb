"""Sends frames whose number and bytes are known, as if a device of the LAN sent them to a server far away.

frames.py INTERFACE DEVICE COUNT    DEVICE is a number: MAC 02:77:00:00:00:DEVICE, address 192.168.77.(100 + DEVICE).
Says "COUNT BYTES" when all are sent. Lengths run from 60 to 1,400, so that one frame too many or too few shows in bytes.
"""

import socket
import struct
import sys
import time

ROUTER = bytes.fromhex("027700000001")
SERVER = bytes([198, 51, 100, 7])


def checksum(header):
    total = sum(struct.unpack("!%dH" % (len(header) // 2), header))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return total ^ 0xFFFF


def frame(device, length, n):
    source = bytes([192, 168, 77, 100 + device])
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length - 14, n & 0xFFFF, 0, 64, 17, 0, source, SERVER)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    udp = struct.pack("!HHHH", 40000 + device, 4500, length - 34, 0)
    mac = bytes.fromhex("0277000000%02x" % device)
    return (ROUTER + mac + b"\x08\x00" + ip + udp).ljust(length, b".")


def main():
    interface, device, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    line.bind((interface, 0))
    total = 0
    for n in range(count):
        total += line.send(frame(device, 60 + n * 37 % 1341, n))
        if n % 50 == 49:
            time.sleep(0.02)
    print(count, total)


main()
