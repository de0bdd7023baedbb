#!/usr/bin/env python3
"""Small clients for the sample captures, started by `record` inside namespaces.

usage: chatter.py keep-alive HOST PORT EVERY TIMES CA   a long TLS connection
       chatter.py udp HOST PORT SIZE                    one datagram, large ones in fragments
       chatter.py broadcast PORT TEXT                   one datagram to everybody
       chatter.py ssdp-search                           ask for UPnP devices, wait for answers
       chatter.py mdns-browse SECONDS TYPE...           look for services
       chatter.py mdns-announce SECONDS NAME TYPE PORT  offer a service
"""
import socket
import ssl
import sys
import time


def keep_alive(host, port, every, times, ca):
    context = ssl.create_default_context(cafile=ca)
    with socket.create_connection((host, int(port)), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname=host) as tls:
            for _ in range(int(times)):
                tls.sendall(b"still here\n")
                tls.recv(64)
                time.sleep(float(every))
            tls.unwrap()


def udp(host, port, size):
    family, kind, _, _, target = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as sock:
        sock.settimeout(1.5)
        sock.sendto(b"x" * int(size), target)
        try:
            sock.recvfrom(65535)
        except OSError:
            pass  # many peers never answer; that is part of the play


def broadcast(port, text):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.sendto(text.encode(), ("255.255.255.255", int(port)))


def ssdp_search():
    search = ("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
              'MAN: "ssdp:discover"\r\nMX: 2\r\nST: upnp:rootdevice\r\n\r\n').encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
        sock.sendto(search, ("239.255.255.250", 1900))
        sock.settimeout(2)
        try:
            while True:
                sock.recvfrom(2048)
        except OSError:
            pass


def mdns_browse(seconds, *types):
    from zeroconf import ServiceBrowser, Zeroconf

    class Look:
        """Resolves what it finds, so that SRV, TXT, A and AAAA questions are asked too."""

        def add_service(self, zc, kind, name):
            zc.get_service_info(kind, name, 1500)

        def update_service(self, *_):
            pass

        def remove_service(self, *_):
            pass

    zc = Zeroconf()
    ServiceBrowser(zc, [f"{kind}.local." for kind in types], Look())
    time.sleep(float(seconds))
    zc.close()


def mdns_announce(seconds, name, kind, port):
    from zeroconf import ServiceInfo, Zeroconf

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("239.255.255.250", 9))  # sends nothing; tells our own address
        address = probe.getsockname()[0]
    info = ServiceInfo(f"{kind}.local.", f"{name}.{kind}.local.", port=int(port),
                       addresses=[socket.inet_aton(address)], server=f"{name}.local.",
                       properties={"md": name, "ve": "1"})
    zc = Zeroconf()
    zc.register_service(info)
    time.sleep(float(seconds))
    zc.unregister_service(info)  # the goodbye, with a TTL of 0
    zc.close()


def main(what, *words):
    {
        "keep-alive": keep_alive,
        "udp": udp,
        "broadcast": broadcast,
        "ssdp-search": ssdp_search,
        "mdns-browse": mdns_browse,
        "mdns-announce": mdns_announce,
    }[what](*words)


if __name__ == "__main__":
    main(*sys.argv[1:])
