"""A client made with the SDK of PyPI as it was for A2A 0.3: `old_client.py URL BINDING KEY TEXT` prints each event as a line of JSON."""

import asyncio
import json
import sys

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory, create_text_message_object
from a2a.types import TaskQueryParams
from metadata import channel

URL, BINDING, KEY, TEXT = sys.argv[1:5]


async def main():
    async with httpx.AsyncClient(headers={"x-chaperone-key": KEY}, timeout=30) as http:
        config = ClientConfig(
            httpx_client=http,
            supported_transports=[BINDING],
            grpc_channel_factory=lambda url: channel(url, {"x-chaperone-key": KEY}),
        )
        client = ClientFactory(config).create(await A2ACardResolver(http, URL).get_agent_card())
        task = None
        async for task, update in client.send_message(create_text_message_object(content=TEXT)):
            event = update or task
            print(json.dumps(event.model_dump(mode="json", by_alias=True, exclude_none=True)))
        got = await client.get_task(TaskQueryParams(id=task.id))
        print(json.dumps({"got": got.model_dump(mode="json", by_alias=True, exclude_none=True)}))


asyncio.run(main())
