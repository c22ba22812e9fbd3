"""A client made with the SDK of PyPI: `client.py URL BINDING STREAMING KEY TEXT` prints each event as a line of JSON."""

import asyncio
import json
import sys

import httpx
from a2a.client import ClientConfig, create_client
from a2a.helpers.proto_helpers import new_text_message
from a2a.types import GetTaskRequest, Role, SendMessageRequest
from google.protobuf.json_format import MessageToDict
from metadata import channel

URL, BINDING, STREAMING, KEY, TEXT = sys.argv[1:6]


async def main():
    async with httpx.AsyncClient(headers={"x-chaperone-key": KEY}, timeout=30) as http:
        config = ClientConfig(
            httpx_client=http,
            supported_protocol_bindings=[BINDING],
            streaming=STREAMING == "streaming",
            grpc_channel_factory=lambda url: channel(url, {"x-chaperone-key": KEY}),
        )
        client = await create_client(URL, config)
        message = new_text_message(TEXT, role=Role.ROLE_USER)
        task = ""
        async for event in client.send_message(SendMessageRequest(message=message)):
            print(json.dumps(MessageToDict(event)))
            task = event.task.id or event.status_update.task_id or task
        print(json.dumps({"got": MessageToDict(await client.get_task(GetTaskRequest(id=task)))}))


asyncio.run(main())
