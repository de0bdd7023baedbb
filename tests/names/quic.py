"""A QUIC stack (aioquic) that serves and asks. "serve" ends with its standard input, and says "ready" on standard output
when it listens. A client says the port that it spoke from.

serve ADDRESS CERT KEY              HTTP/3 at the ports 443 and 4433, DNS over QUIC at 853
ask ADDRESS PORT NAME [OPTIONS]     one request by HTTP/3:
    v2                              in version 2 of QUIC
    filler=COUNT                    with a ClientHello that offers so many protocols with long names beside "h3"
"""

import asyncio
import ssl
import struct
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.asyncio import serve as listen
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, StreamDataReceived
from aioquic.quic.packet import QuicProtocolVersion

VERSIONS = [QuicProtocolVersion.VERSION_1, QuicProtocolVersion.VERSION_2]


class Conversation(QuicConnectionProtocol):
    http = None
    got = None

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated) and event.alpn_protocol == "h3":
            self.http = H3Connection(self._quic)
        if self.http:
            for what in self.http.handle_event(event):
                self.heard(what)
        elif isinstance(event, StreamDataReceived) and event.end_stream:
            self.answer_dns(event.stream_id, event.data)

    def heard(self, what):
        if self._quic.configuration.is_client:
            if isinstance(what, DataReceived) and what.stream_ended and self.got:
                self.got.set_result(what.data)
        elif isinstance(what, HeadersReceived):
            self.http.send_headers(what.stream_id, [(b":status", b"200")])
            self.http.send_data(what.stream_id, b"yes", True)
            self.transmit()

    def answer_dns(self, stream, data):
        """The name exists, and has no address."""
        question = data[2:]
        end = question.index(b"\0", 12) + 5
        answer = question[:2] + b"\x81\x80" + question[4:6] + bytes(6) + question[12:end]
        self._quic.send_stream_data(stream, struct.pack("!H", len(answer)) + answer, True)
        self.transmit()


async def serve(address, certificate, key):
    for port, protocol in [(443, "h3"), (4433, "h3"), (853, "doq")]:
        configuration = QuicConfiguration(is_client=False, alpn_protocols=[protocol], supported_versions=VERSIONS)
        configuration.load_cert_chain(certificate, key)
        await listen(address, port, configuration=configuration, create_protocol=Conversation)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def ask(address, port, name, *options):
    options = dict(option.partition("=")[::2] for option in options)
    filler = ["%03d-%s" % (n, "x" * 200) for n in range(int(options.get("filler", 0)))]
    configuration = QuicConfiguration(alpn_protocols=filler + ["h3"], verify_mode=ssl.CERT_NONE, server_name=name)
    if "v2" in options:
        configuration.supported_versions = VERSIONS[::-1]
        configuration.original_version = QuicProtocolVersion.VERSION_2
    async with connect(address, int(port), configuration=configuration, create_protocol=Conversation) as conversation:
        print(conversation._transport.get_extra_info("sockname")[1], flush=True)
        conversation.got = asyncio.get_running_loop().create_future()
        stream = conversation._quic.get_next_available_stream_id()
        head = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"inside.example"), (b":path", b"/")]
        conversation.http.send_headers(stream, head, True)
        conversation.transmit()
        assert await asyncio.wait_for(conversation.got, 10) == b"yes"


asyncio.run({"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:]))
