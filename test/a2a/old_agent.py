"""An agent made with the SDK of PyPI as it was for A2A 0.3, by gRPC: `old_agent.py PORT GRPC-PORT`."""

import asyncio
import sys

import grpc
import uvicorn
from a2a.grpc import a2a_pb2_grpc
from a2a.server.agent_execution import AgentExecutor
from a2a.server.apps import A2AStarletteApplication
from a2a.server.request_handlers import DefaultRequestHandler, GrpcHandler
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentSkill, Part, TextPart
from a2a.utils import new_task

PORT = int(sys.argv[1])
GRPC = f"127.0.0.1:{sys.argv[2]}"


class Echo(AgentExecutor):
    """Says in two pieces what it was told."""

    async def execute(self, context, event_queue):
        task = context.current_task or new_task(context.message)
        if context.current_task is None:
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work()
        parts = [[Part(root=TextPart(text=text))] for text in ("you said ", context.get_user_input())]
        await updater.add_artifact(parts[0], artifact_id="echo", append=False, last_chunk=False)
        await updater.add_artifact(parts[1], artifact_id="echo", append=True, last_chunk=True)
        await updater.complete()

    async def cancel(self, context, event_queue):
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


CARD = AgentCard(
    name="Old echo",
    description="Says it again",
    version="1.0.0",
    url=GRPC,
    preferred_transport="GRPC",
    capabilities=AgentCapabilities(streaming=True),
    default_input_modes=["text/plain"],
    default_output_modes=["text/plain"],
    skills=[AgentSkill(id="echo", name="Echo", description="Says it again", tags=["t"])],
)
HANDLER = DefaultRequestHandler(agent_executor=Echo(), task_store=InMemoryTaskStore())


async def main():
    server = grpc.aio.server()
    a2a_pb2_grpc.add_A2AServiceServicer_to_server(GrpcHandler(CARD, HANDLER), server)
    server.add_insecure_port(GRPC)
    await server.start()
    app = A2AStarletteApplication(agent_card=CARD, http_handler=HANDLER).build()
    await uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=PORT, log_level="error")).serve()


asyncio.run(main())
