"""An agent made with the SDK of PyPI, in all bindings and both versions, which notifies: `agent.py PORT GRPC-PORT`."""

import asyncio
import sys

import grpc
import httpx
import uvicorn
from a2a.compat.v0_3 import a2a_v0_3_pb2_grpc
from a2a.compat.v0_3.grpc_handler import CompatGrpcHandler
from a2a.helpers.proto_helpers import new_task_from_user_message, new_text_part
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler, GrpcHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import (
    BasePushNotificationSender,
    InMemoryPushNotificationConfigStore,
    InMemoryTaskStore,
    TaskUpdater,
)
from a2a.types import a2a_pb2_grpc
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from starlette.applications import Starlette

PORT = int(sys.argv[1])
GRPC = f"127.0.0.1:{sys.argv[2]}"
URL = f"http://127.0.0.1:{PORT}"


class Echo(AgentExecutor):
    """Says in two pieces what it was told; `wait` keeps its task at work until it is cancelled."""

    async def execute(self, context, event_queue):
        task = context.current_task or new_task_from_user_message(context.message)
        if context.current_task is None:
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work()
        said = context.get_user_input()
        if "wait" in said:
            return
        await updater.add_artifact([new_text_part("you said ")], artifact_id="echo", append=False, last_chunk=False)
        await updater.add_artifact([new_text_part(said)], artifact_id="echo", append=True, last_chunk=True)
        await updater.complete()

    async def cancel(self, context, event_queue):
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


CARD = AgentCard(
    name="Python echo",
    description="Says it again",
    version="1.0.0",
    supported_interfaces=[
        AgentInterface(url=f"{URL}/rpc", protocol_binding="JSONRPC", protocol_version="1.0"),
        AgentInterface(url=f"{URL}/rest", protocol_binding="HTTP+JSON", protocol_version="1.0"),
        AgentInterface(url=GRPC, protocol_binding="GRPC", protocol_version="1.0"),
    ],
    capabilities=AgentCapabilities(streaming=True, push_notifications=True),
    default_input_modes=["text/plain"],
    default_output_modes=["text/plain"],
    skills=[AgentSkill(id="echo", name="Echo", description="Says it again", tags=["t"])],
)

PUSH = InMemoryPushNotificationConfigStore()
HANDLER = DefaultRequestHandler(
    agent_executor=Echo(),
    task_store=InMemoryTaskStore(),
    agent_card=CARD,
    push_config_store=PUSH,
    push_sender=BasePushNotificationSender(httpx.AsyncClient(trust_env=False), PUSH),
)
APP = Starlette(
    routes=[
        *create_agent_card_routes(CARD),
        *create_jsonrpc_routes(HANDLER, "/rpc", enable_v0_3_compat=True),
        *create_rest_routes(HANDLER, enable_v0_3_compat=True, path_prefix="/rest"),
    ]
)


async def main():
    server = grpc.aio.server()
    a2a_pb2_grpc.add_A2AServiceServicer_to_server(GrpcHandler(HANDLER), server)
    a2a_v0_3_pb2_grpc.add_A2AServiceServicer_to_server(CompatGrpcHandler(HANDLER), server)
    server.add_insecure_port(GRPC)
    await server.start()
    await uvicorn.Server(uvicorn.Config(APP, host="127.0.0.1", port=PORT, log_level="error")).serve()


asyncio.run(main())
