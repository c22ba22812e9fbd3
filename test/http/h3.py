"""Asks for a URL by HTTP/3 and prints what came: h3.py URL CA [METHOD BODY]."""

import asyncio
import json
import ssl
import sys
from urllib.parse import urlsplit

from aioquic.asyncio import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.answer = asyncio.get_running_loop().create_future()
        self.headers = {}
        self.body = b""

    def ask(self, method, authority, path, body):
        stream = self._quic.get_next_available_stream_id()
        headers = [
            (b":method", method.encode()),
            (b":scheme", b"https"),
            (b":authority", authority.encode()),
            (b":path", path.encode()),
            (b"content-type", b"application/json"),
        ]
        self.http.send_headers(stream, headers, end_stream=not body)
        if body:
            self.http.send_data(stream, body.encode(), end_stream=True)
        self.transmit()

    def quic_event_received(self, event):
        for found in self.http.handle_event(event):
            if isinstance(found, HeadersReceived):
                self.headers.update({name.decode(): value.decode() for name, value in found.headers})
            if isinstance(found, DataReceived):
                self.body += found.data
            if getattr(found, "stream_ended", False) and not self.answer.done():
                self.answer.set_result(None)


async def main(url, authorities, method="GET", body=""):
    where = urlsplit(url)
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"], verify_mode=ssl.CERT_REQUIRED)
    configuration.load_verify_locations(authorities)
    async with connect(
        where.hostname, where.port, configuration=configuration, create_protocol=Client
    ) as client:
        client.ask(method, where.netloc, where.path, body)
        await asyncio.wait_for(client.answer, 10)
        print(json.dumps({"status": client.headers[":status"], "headers": client.headers, "body": client.body.decode()}))


asyncio.run(main(*sys.argv[1:]))
