import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { AgentCard, Role, TaskState } from '@a2a-js/sdk'
import { AgentEvent, type AgentExecutor, DefaultRequestHandler, InMemoryTaskStore } from '@a2a-js/sdk/server'
import { agentCardHandler, jsonRpcHandler, restHandler, UserBuilder } from '@a2a-js/sdk/server/express'
import { decodeJwt, type JWTPayload } from 'jose'

/** As much of Express as the SDK's handlers need; it comes with the SDK, without its types. */
type App = RequestListener & { use(...handlers: unknown[]): void }
const express = createRequire(import.meta.url)('express') as () => App

/** An agent made with the official SDK, in both bindings of JSON and both versions. */

export interface TestAgent {
  url: string
  /** The headers of every request, in order. */
  seen: IncomingHttpHeaders[]
  /** The texts that it was sent. */
  heard: string[]
  close(): Promise<void>
}

/** What a delegation says, as an agent is given it. */
export function claimsOf(delegation: string): JWTPayload {
  return decodeJwt(delegation.slice(delegation.indexOf('.') + 1))
}

const text = (value: string) => ({
  content: { $case: 'text' as const, value },
  metadata: undefined,
  filename: '',
  mediaType: '',
})

/**
 * Starts an agent that answers each message with a task: working, an artifact in two pieces, completed. `hang` in a message keeps it
 * working, and `only words` gets a message instead of a task.
 * @param offers the wires that its card names
 * @param token the bearer token that it wants
 */
export async function startAgent(
  offers: readonly ['JSONRPC' | 'HTTP+JSON', '0.3' | '1.0'][] = [
    ['JSONRPC', '1.0'],
    ['JSONRPC', '0.3'],
    ['HTTP+JSON', '1.0'],
    ['HTTP+JSON', '0.3'],
  ],
  token?: string,
): Promise<TestAgent> {
  const seen: IncomingHttpHeaders[] = []
  const heard: string[] = []
  const app = express()
  const server = createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const card = AgentCard.fromJSON({
    name: 'Planner',
    description: 'Plans journeys',
    version: '1.2.3',
    supportedInterfaces: offers.map(([protocolBinding, protocolVersion]) => ({
      url: `${url}/${protocolBinding === 'JSONRPC' ? 'rpc' : 'rest'}`,
      protocolBinding,
      protocolVersion,
    })),
    capabilities: { streaming: true, pushNotifications: false, extendedAgentCard: true },
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: [
      { id: 'plan', name: 'Plan', description: 'Plans', tags: ['t'] },
      { id: 'book', name: 'Book', description: 'Books', tags: ['t'] },
    ],
  })
  const waiting = new Map<string, () => void>()
  const executor: AgentExecutor = {
    async execute({ userMessage, taskId, contextId, task }, bus) {
      const said = userMessage.parts.map(({ content }) => (content?.$case === 'text' ? content.value : '')).join('')
      heard.push(said)
      if (said.includes('only words')) {
        bus.publish(
          AgentEvent.message({
            messageId: `m-${heard.length}`,
            contextId,
            taskId: '',
            role: Role.ROLE_AGENT,
            parts: [text(`you said ${said}`)],
            metadata: undefined,
            extensions: [],
            referenceTaskIds: [],
          }),
        )
        bus.finished()
        return
      }
      const status = (state: TaskState) => ({ state, message: undefined, timestamp: undefined })
      const update = (state: TaskState) =>
        bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status: status(state), metadata: undefined }))
      bus.publish(
        AgentEvent.task(
          task ?? {
            id: taskId,
            contextId,
            status: status(TaskState.TASK_STATE_SUBMITTED),
            artifacts: [],
            history: [userMessage],
            metadata: undefined,
          },
        ),
      )
      update(TaskState.TASK_STATE_WORKING)
      if (said.includes('hang')) await new Promise<void>((resolve) => waiting.set(taskId, resolve))
      else {
        for (const [index, piece] of ['go ', 'north'].entries())
          bus.publish(
            AgentEvent.artifactUpdate({
              taskId,
              contextId,
              artifact: {
                artifactId: 'a1',
                name: 'plan',
                description: '',
                parts: [text(piece)],
                metadata: undefined,
                extensions: [],
              },
              append: index > 0,
              lastChunk: index === 1,
              metadata: undefined,
            }),
          )
        update(TaskState.TASK_STATE_COMPLETED)
      }
      bus.finished()
    },
    async cancelTask(taskId, bus) {
      const state = { state: TaskState.TASK_STATE_CANCELED, message: undefined, timestamp: undefined }
      bus.publish(AgentEvent.statusUpdate({ taskId, contextId: '', status: state, metadata: undefined }))
      waiting.get(taskId)?.()
    },
  }
  const requestHandler = new DefaultRequestHandler(
    card,
    new InMemoryTaskStore(),
    executor,
    undefined,
    undefined,
    undefined,
    card,
  )
  app.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
    seen.push(request.headers)
    const open = token === undefined || request.url?.startsWith('/.well-known/') === true
    if (open || request.headers.authorization === `Bearer ${token}`) next()
    else response.writeHead(401).end('who are you?')
  })
  const options = { requestHandler, userBuilder: UserBuilder.noAuthentication, legacyCompat: { enabled: true } }
  app.use('/.well-known/agent-card.json', agentCardHandler({ agentCardProvider: requestHandler }))
  app.use('/rpc', jsonRpcHandler(options))
  app.use('/rest', restHandler(options))
  return {
    url,
    seen,
    heard,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
