"""An NTP server that knows the true time whatever is done to the clock of this machine: it goes by the time since the
machine was started, and by the time that it was then, TRUE (seconds since 1970).

timeserver.py ADDRESS TRUE
"""

import socket
import struct
import sys
import time

SINCE_1900 = 2208988800


def stamp(start):
    now = start + time.clock_gettime(time.CLOCK_BOOTTIME) + SINCE_1900
    return struct.pack("!II", int(now) & 0xFFFFFFFF, int(now % 1 * 2**32))


def main():
    address, start = sys.argv[1], float(sys.argv[2])
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 123))
    while True:
        question, who = server.recvfrom(1024)
        if len(question) < 48:
            continue
        came = stamp(start)
        version = question[0] & 0x38
        # Stratum 2, a precision of about a millisecond, next to nothing to the root.
        head = struct.pack("!BBbbII4s", version | 4, 2, 6, -10, 0, 65, b"\xc0\xa8\x4d\x03")
        server.sendto(head + came + question[40:48] + came + stamp(start), who)


main()
