#!/usr/bin/env python3
"""Small servers for the sample captures, started by `record` inside namespaces.

usage: servers.py http PORT
       servers.py https PORT CERT KEY
       servers.py tls-echo PORT CERT KEY
       servers.py udp-echo ADDRESS PORT
       servers.py ssdp ADDRESS KIND
"""
import http.server
import socket
import socketserver
import ssl
import struct
import sys
import threading

SSDP_GROUP = ("239.255.255.250", 1900)


class Site(http.server.BaseHTTPRequestHandler):
    """GET /data/N gives N bytes, anything else a short page; POST and PUT take a body."""

    protocol_version = "HTTP/1.1"
    server_version = "sample/1.0"

    def log_message(self, *_):
        pass

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        wanted = self.path.rpartition("/data/")[2]
        # One sentence again and again: the captures must pack small.
        text = b"This is a sample of nothing in particular. " * 20000
        self.answer(text[: int(wanted)] if wanted.isdigit() else b"hello\n")

    def do_POST(self):
        left = int(self.headers.get("Content-Length", 0))
        while left:
            left -= len(self.rfile.read(min(left, 65536)))
        self.answer(b"taken\n")

    do_PUT = do_POST


class DualStack(socketserver.ThreadingTCPServer):
    """A threading TCP server that takes IPv4 and IPv6 on one port, with TLS if wanted."""

    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    tls = None

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def finish_request(self, request, client_address):
        if self.tls:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)
        if self.tls:
            try:
                request.unwrap()  # a proper close_notify, then FIN
            except OSError:
                pass
            request.close()

    def handle_error(self, *_):
        pass  # clients that go away in the middle are part of the play


class Echo(socketserver.StreamRequestHandler):
    """Gives every line back: the far end of a keep-alive connection."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


def serve_tcp(handler, port, cert=None, key=None):
    with DualStack(("::", int(port)), handler) as server:
        if cert:
            server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            server.tls.load_cert_chain(cert, key)
        server.serve_forever()


def serve_udp_echo(address, port):
    # Bound to one address: a wildcard socket would answer from another one.
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, int(port)))
    while True:
        data, peer = sock.recvfrom(65535)
        sock.sendto(data, peer)


def serve_ssdp(address, kind):
    """Answers M-SEARCH and announces itself every 40 seconds."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", SSDP_GROUP[1]))
    here = socket.inet_aton(address)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                    struct.pack("4s4s", socket.inet_aton(SSDP_GROUP[0]), here))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, here)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
    common = (f"LOCATION: http://{address}:80/description.xml\r\n"
              "CACHE-CONTROL: max-age=100\r\n"
              "SERVER: Linux UPnP/1.0 sample/1.0\r\n"
              f"USN: uuid:sample-{kind}::upnp:rootdevice\r\n")
    notify = ("NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNTS: ssdp:alive\r\n"
              f"NT: upnp:rootdevice\r\n{common}\r\n").encode()
    reply = f"HTTP/1.1 200 OK\r\nEXT:\r\nST: upnp:rootdevice\r\n{common}\r\n".encode()

    def announce():
        sock.sendto(notify, SSDP_GROUP)
        timer = threading.Timer(40, announce)
        timer.daemon = True
        timer.start()

    announce()
    while True:
        data, peer = sock.recvfrom(2048)
        if data.startswith(b"M-SEARCH"):
            sock.sendto(reply, peer)


def main(kind, *words):
    kinds = {
        "http": lambda port: serve_tcp(Site, port),
        "https": lambda *a: serve_tcp(Site, *a),
        "tls-echo": lambda *a: serve_tcp(Echo, *a),
        "udp-echo": serve_udp_echo,
        "ssdp": serve_ssdp,
    }
    kinds[kind](*words)


if __name__ == "__main__":
    main(*sys.argv[1:])
