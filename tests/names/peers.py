"""Peers of tests/names that no package brings. The first argument says what to do; "serve" ends with its standard input,
and says "ready" on standard output when it listens. Clients say the port that they spoke from.

serve CERT KEY                      HTTP at the ports 80 and 8081, HTTPS at 8443 and 44443, DNS over TLS at 853, MQTT at 1884
hello ADDRESS PORT NAME [OPTIONS]   one HTTPS request, of which the ClientHello is the system's OpenSSL's:
      pieces=BYTES                  in segments of so many bytes
      filler=COUNT                  that offers so many protocols with long names beside HTTP/1.1
      ech                           with an extension encrypted_client_hello put into it: the server will refuse that
chat PORT ADDRESS                   a UDP datagram from that port to port 9
"""

import os
import socket
import ssl
import struct
import sys
import threading
import time

HTTP, HTTPS, DOT, MQTT = [80, 8081], [8443, 44443], 853, 1884


def told_to_end():
    while os.read(0, 4096):
        pass


def answer_http(connection):
    if connection.recv(65536):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nyes")


def exactly(connection, count):
    taken = b""
    while len(taken) < count:
        more = connection.recv(count - len(taken))
        if not more:
            return None
        taken += more
    return taken


def answer_dns(connection):
    """Every name exists, and has no address."""
    while head := exactly(connection, 2):
        question = exactly(connection, struct.unpack("!H", head)[0])
        # Without what comes after the question (EDNS): its name ends with the first empty label.
        end = question.index(b"\0", 12) + 5
        answer = question[:2] + b"\x81\x80" + question[4:6] + bytes(6) + question[12:end]
        connection.sendall(struct.pack("!H", len(answer)) + answer)


def answer_mqtt(connection):
    if connection.recv(1000):
        connection.sendall(b"\x20\x02\0\0")
        while connection.recv(1000):
            pass


def serve(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1", "dot"])

    def attend(connection, answer, tls):
        try:
            connection.settimeout(10)
            with (context.wrap_socket(connection, server_side=True) if tls else connection) as conversation:
                answer(conversation)
        except (OSError, ValueError):
            connection.close()

    def accept(listener, answer, tls):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=attend, args=(connection, answer, tls), daemon=True).start()

    ports = [(port, answer_http, False) for port in HTTP] + [(port, answer_http, True) for port in HTTPS]
    for port, answer, tls in ports + [(DOT, answer_dns, True), (MQTT, answer_mqtt, False)]:
        listener = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        threading.Thread(target=accept, args=(listener, answer, tls), daemon=True).start()
    print("ready", flush=True)
    told_to_end()


def with_ech(hello):
    """The record of a ClientHello with one more extension: what Encrypted Client Hello sends to everybody."""
    content = bytes([0, 0, 1, 0, 1, 7, 0, 32]) + os.urandom(32) + struct.pack("!H", 144) + os.urandom(144)
    extension = struct.pack("!HH", 0xFE0D, len(content)) + content
    at = 5 + 4 + 2 + 32
    at += 1 + hello[at]
    at += 2 + struct.unpack_from("!H", hello, at)[0]
    at += 1 + hello[at]
    longer = struct.unpack_from("!H", hello, at)[0] + len(extension)
    body = hello[9:at] + struct.pack("!H", longer) + extension + hello[at + 2 :]
    handshake = b"\1" + len(body).to_bytes(3, "big") + body
    return hello[:3] + struct.pack("!H", len(handshake)) + handshake


def hello(address, port, name, *options):
    options = dict(option.partition("=")[::2] for option in options)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    filler = ["%03d-%s" % (n, "x" * 200) for n in range(int(options.get("filler", 0)))]
    context.set_alpn_protocols(filler + ["http/1.1"])
    come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(come, go, server_hostname=name)
    with socket.create_connection((address, int(port)), 10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print(connection.getsockname()[1], flush=True)

        def drive(step, pieces=0, change=bytes):
            """Does a step of the conversation, and what it wants sent and received for that."""
            while True:
                try:
                    done = step()
                except ssl.SSLWantReadError:
                    done = None
                said = change(go.read())
                change = bytes
                while pieces and said:
                    connection.sendall(said[:pieces])
                    said = said[pieces:]
                    time.sleep(0.02)
                pieces = 0
                connection.sendall(said)
                if done is not None:
                    return done
                heard = connection.recv(65536)
                if not heard:
                    return None
                come.write(heard)

        try:
            drive(lambda: tls.do_handshake() or True, int(options.get("pieces", 0)), with_ech if "ech" in options else bytes)
            drive(lambda: tls.write(b"GET / HTTP/1.1\r\nHost: inside.example\r\n\r\n"))
            drive(lambda: tls.read(1000))
        except ssl.SSLError:
            if "ech" not in options:
                raise


def chat(port, address):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("", int(port)))
        s.sendto(b"hello", (address, 9))


if __name__ == "__main__":
    {"serve": serve, "hello": hello, "chat": chat}[sys.argv[1]](*sys.argv[2:])
