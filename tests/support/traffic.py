"""Traffic of tests/support/lab.rs. The first argument says what to do; what runs until it is told to end ends with its
standard input, and says "ready" on standard output when it has begun.

send ADDRESS COUNT    so many UDP datagrams of 100 bytes to port 9
flood ADDRESS         UDP datagrams of many lengths to port 9, as fast as it goes, until told to end
scatter ADDRESS RATE  so many UDP datagrams a second to port 9, each from another port, until told to end
number INTERFACE      frames with a number of their own, as many as each line of standard input says and of so many bytes; answers
                      with the numbers of those that the interface took: one that has no link takes none
stamp                 make the kernel stamp frames as they come in: once, for everybody who captures them
call ADDRESS BYTES    one conversation by TCP and one by UDP with "serve" at that address, of so many bytes each way
serve                 answer what "call" and "mix" ask, until told to end
mix SECONDS           all kinds of conversations with the servers on the hosts b and r
"""

import os
import random
import socket
import struct
import sys
import threading
import time

DISCARD, ECHO, RESET, UDP_ECHO, CLOSED = 9, 7000, 7001, 7002, 7003
LAN = ["192.168.77.20", "fd77::20"]
INTERNET = ["203.0.113.%d" % n for n in range(1, 26)] + ["2001:db8:77::%x" % n for n in range(1, 26)]


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def udp(address):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if address.startswith("ff02"):
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("eth0"))
    if address.startswith("224."):
        interface = struct.pack("@4s4si", bytes(4), bytes(4), socket.if_nametoindex("eth0"))
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
    return s


def ready():
    print("ready", flush=True)


def told_to_end():
    while os.read(0, 4096):
        pass


def send(address, count):
    s = udp(address)
    for n in range(int(count)):
        s.sendto(n.to_bytes(8, "big").ljust(100, b"."), (address, DISCARD))


def flood(address):
    s = udp(address)
    s.connect((address, DISCARD))
    ended = threading.Event()
    threading.Thread(target=lambda: (told_to_end(), ended.set()), daemon=True).start()
    # Lengths that go on and on differently: a frame that is missing or too many shows in the sum of bytes.
    lengths = random.Random(1)
    payloads = [bytes(lengths.randrange(10, 400)) for _ in range(997)]
    ready()
    while not ended.is_set():
        for payload in payloads:
            try:
                s.send(payload)
            except OSError:  # nobody listens there, or there is no room
                pass


def call(address, count):
    left = int(count)
    tcp, s = socket.create_connection((address, ECHO), 5), udp(address)
    s.settimeout(5)
    while left > 0:
        part = min(left, 1000)
        tcp.sendall(bytes(part))
        tcp.recv(part, socket.MSG_WAITALL)
        # No two alike: what comes twice is a matter of its own.
        s.sendto(left.to_bytes(8, "big").ljust(part, b"."), (address, UDP_ECHO))
        s.recv(2000)
        left -= part
    # Not before the other side has closed too: then nothing more comes.
    tcp.shutdown(socket.SHUT_WR)
    while tcp.recv(1000):
        pass
    tcp.close()
    time.sleep(0.1)


def scatter(address, rate):
    ended = threading.Event()
    threading.Thread(target=lambda: (told_to_end(), ended.set()), daemon=True).start()
    ready()
    begin, number = time.monotonic(), 0
    while not ended.wait(0.02):
        while number < (time.monotonic() - begin) * float(rate):
            with udp(address) as s:
                s.sendto(bytes(random.randrange(10, 400)), (address, DISCARD))
            number += 1


def number(interface):
    """Frame N goes from port 1024 + N % 60000 to port 20000 + N / 60000 of an address of the internet."""
    ready()
    n = 0
    for line in sys.stdin:
        count, size = map(int, line.split())
        taken = []
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            try:
                s.bind((interface, 0))
                s.setsockopt(263, 20, 1)  # SOL_PACKET, PACKET_QDISC_BYPASS: else frames may wait for a link, and vanish
            except OSError:
                count = 0
            for _ in range(count):
                try:
                    s.send(numbered(n, size))
                    taken.append(n)
                except OSError:
                    pass
                n += 1
        print(*taken, flush=True)


def numbered(n, size):
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, size - 14, n & 0xFFFF, 0x4000, 64, 17, 0, socket.inet_aton("192.168.77.10"), socket.inet_aton("203.0.113.9"))
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack("!H", 0xFFFF - total) + ip[12:]
    udp = struct.pack("!HHHH", 1024 + n % 60000, 20000 + n // 60000, size - 34, 0)
    return bytes.fromhex("52540077000152540077000a0800") + ip + udp + bytes(size - 42)


def stamp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 29, 1)  # SO_TIMESTAMP
    ready()
    told_to_end()


def thread(work, *arguments):
    def run():
        try:
            work(*arguments)
        except OSError:
            pass  # a conversation that broke is traffic too

    t = threading.Thread(target=run, daemon=True)
    t.start()
    return t


def serve():
    def echo(c):
        while data := c.recv(65536):
            c.sendall(data)
        c.close()

    def reset(c):
        c.recv(100)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()

    def accept(s, answer):
        while True:
            thread(answer, s.accept()[0])

    def echo_datagrams(s):
        while True:
            # From the address that was asked, which is one of many.
            data, notes, _, sender = s.recvmsg(65535, 256)
            s.sendmsg([data], notes, 0, sender)

    for version in socket.AF_INET, socket.AF_INET6:
        for port, answer in (ECHO, echo), (RESET, reset):
            s = socket.socket(version, socket.SOCK_STREAM)
            if version == socket.AF_INET6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("", port))
            s.listen(256)
            thread(accept, s, answer)
        s = socket.socket(version, socket.SOCK_DGRAM)
        if version == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            s.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
        s.bind(("", UDP_ECHO))
        thread(echo_datagrams, s)
    ready()
    told_to_end()


def mix(seconds):
    begin = time.monotonic()
    over = begin + float(seconds)

    def wait(until):
        time.sleep(max(0, until - time.monotonic()))

    def connection(at, address, port, sizes, pause):
        wait(at)
        s = socket.create_connection((address, port), 5)
        for size in sizes:
            s.sendall(bytes(size))
            left = size
            while left > 0 and (data := s.recv(65536)):
                left -= len(data)
            time.sleep(pause)
        s.close()

    def refused(at, address):
        wait(at)
        socket.create_connection((address, CLOSED), 5)

    def long_connection(address, pause):
        s = socket.create_connection((address, ECHO), 5)
        while time.monotonic() < over - pause:
            s.sendall(bytes(random.randrange(1, 3000)))
            s.recv(65536)
            time.sleep(pause)
        s.close()

    def datagrams(at, address, port, sizes, pause):
        wait(at)
        s = udp(address)
        for size in sizes:
            s.sendto(bytes(size), (address, port))
            time.sleep(pause)

    def regular(at, address, period):
        """Silence just shorter than what ends a conversation, again and again."""
        s = udp(address)
        while at < over:
            wait(at)
            s.sendto(bytes(50), (address, DISCARD))
            at += period

    def ping(at, address, size, count):
        wait(at)
        six = ":" in address
        s = socket.socket(family(address), socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
        identifier = random.randrange(65536)
        for n in range(count):
            message = struct.pack("!BBHHH", 128 if six else 8, 0, 0, identifier, n) + bytes(size)
            words = struct.unpack("!%dH" % (len(message) // 2), message)
            total = sum(words)
            total = (total & 0xFFFF) + (total >> 16)
            total = (total & 0xFFFF) + (total >> 16)
            if not six:  # the kernel sums those of IPv6
                message = message[:2] + struct.pack("!H", 0xFFFF - total) + message[4:]
            s.sendto(message, (address, 0))
            time.sleep(0.1)

    work = []

    # Around the end of a minute there is little but the regular ones: so it is mostly the clock that ends it.
    end_of_minute = begin + 60 - time.time() % 60

    def at_random(share=0.9):
        at = begin + random.random() * float(seconds) * share
        return at if abs(at - end_of_minute) > 2.5 else at_random(share)

    for n in range(80):
        address = random.choice(INTERNET + LAN * 10)
        sizes = [random.choice([1, 300, 2000, 20000]) for _ in range(random.randrange(4))]
        work.append(thread(connection, at_random(0.7), address, ECHO, sizes, random.choice([0, 0.1, 1])))
    for n in range(20):
        work.append(thread(connection, at_random(), random.choice(INTERNET + LAN * 10), RESET, [10], 0))
        work.append(thread(refused, at_random(), random.choice(INTERNET + LAN * 10)))
    # Longer than the active time-out; with pauses longer than the idle one.
    for address in LAN + INTERNET[:2] + INTERNET[-2:]:
        work.append(thread(long_connection, address, 0.2))
    work.append(thread(long_connection, LAN[0], 3.3))
    work.append(thread(long_connection, INTERNET[-1], 3.3))
    # The many packets.
    for n in range(4):
        address = (LAN + [INTERNET[0], INTERNET[-1]])[n]
        work.append(thread(connection, begin + 1 + 2 * n, address, ECHO, [20_000] * 125, 0))
    for n in range(150):
        address = random.choice(INTERNET + LAN * 10)
        port = random.choice([UDP_ECHO, UDP_ECHO, CLOSED])
        pause, most = random.choice([(0, 30), (0.01, 30), (0.2, 15), (2.2, 3)])
        sizes = [random.choice([1, 100, 1400]) for _ in range(random.randrange(1, most))]
        work.append(thread(datagrams, at_random(0.6), address, port, sizes, pause))
    for n in range(20):  # in fragments
        work.append(thread(datagrams, at_random(), (LAN + INTERNET)[2 * n], UDP_ECHO, [4000, 2000], 0.1))
        work.append(thread(ping, at_random(0.8), (LAN + INTERNET)[2 * n + 1], random.choice([56, 3000]), 5))
    for group in "224.0.0.251", "ff02::fb", "192.168.77.255":
        work.append(thread(datagrams, begin, group, 5353, [80] * int(float(seconds) / 0.7), 0.7))
    for n in range(160):
        work.append(thread(regular, begin + n * 0.0125, INTERNET[n % 50], 1.75 + n * 0.0015))
    for t in work:
        t.join()
    # The last frame is the end: what is still open then does not end by silence.
    udp(LAN[0]).sendto(b"end", (LAN[0], DISCARD))


if __name__ == "__main__":
    modes = {"send": send, "call": call, "flood": flood, "scatter": scatter, "number": number,
             "stamp": stamp, "serve": serve, "mix": mix}
    modes[sys.argv[1]](*sys.argv[2:])
