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
import { LegacyA2AService, legacyGrpcService } from '@a2a-js/sdk/compat/v0_3/server/grpc'
import { AgentEvent, type AgentExecutor, DefaultRequestHandler, InMemoryTaskStore } from '@a2a-js/sdk/server'
import { agentCardHandler, jsonRpcHandler, restHandler, UserBuilder } from '@a2a-js/sdk/server/express'
import { A2AService, grpcService } from '@a2a-js/sdk/server/grpc'
import {
  Server as GrpcServer,
  type Metadata,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
  status,
} from '@grpc/grpc-js'
import { decodeJwt, type JWTPayload } from 'jose'

/** As much of Express as the SDK's handlers need; it comes with the SDK, without its types. */
type App = RequestListener & { use(...handlers: unknown[]): void }
const express = createRequire(import.meta.url)('express') as () => App

/** An agent made with the official SDK, in all bindings and both versions. */

export interface TestAgent {
  url: string
  /** `HOST:PORT` of gRPC; empty where its card names none. */
  grpc: string
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
 * @param tls what it speaks gRPC with; none: without TLS
 * @param push whether it notifies, with the SDK's own sender
 */
export async function startAgent(
  offers: readonly ['JSONRPC' | 'HTTP+JSON' | 'GRPC', '0.3' | '1.0'][] = [
    ['JSONRPC', '1.0'],
    ['JSONRPC', '0.3'],
    ['HTTP+JSON', '1.0'],
    ['HTTP+JSON', '0.3'],
  ],
  token?: string,
  tls?: { key: Buffer; cert: Buffer },
  push = false,
): Promise<TestAgent> {
  const seen: IncomingHttpHeaders[] = []
  const heard: string[] = []
  const app = express()
  const server = createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const grpcServer = offers.some(([binding]) => binding === 'GRPC')
    ? new GrpcServer(token === undefined ? {} : { interceptors: [wanting(token)] })
    : undefined
  const grpc = grpcServer === undefined ? '' : `127.0.0.1:${await bound(grpcServer, tls)}`
  const card = AgentCard.fromJSON({
    name: 'Planner',
    description: 'Plans journeys',
    version: '1.2.3',
    supportedInterfaces: offers.map(([protocolBinding, protocolVersion]) => ({
      url: protocolBinding === 'GRPC' ? grpc : `${url}/${protocolBinding === 'JSONRPC' ? 'rpc' : 'rest'}`,
      protocolBinding,
      protocolVersion,
    })),
    capabilities: { streaming: true, pushNotifications: push, extendedAgentCard: true },
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
      const statusOf = (state: TaskState) => ({ state, message: undefined, timestamp: undefined })
      const update = (state: TaskState) =>
        bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status: statusOf(state), metadata: undefined }))
      bus.publish(
        AgentEvent.task(
          task ?? {
            id: taskId,
            contextId,
            status: statusOf(TaskState.TASK_STATE_SUBMITTED),
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
  const called = async (call: { metadata: Metadata; getDeadline(): Date | number }) => {
    const headers = Object.entries(call.metadata.getMap()).map(([name, value]) => [name, String(value)])
    // grpc-js keeps this one for itself.
    const waits = Number(call.getDeadline()) - Date.now()
    seen.push({ ...Object.fromEntries(headers), ...(Number.isFinite(waits) && { 'grpc-timeout': `${waits}m` }) })
    return UserBuilder.noAuthentication()
  }
  grpcServer?.addService(A2AService, grpcService({ requestHandler, userBuilder: called }))
  grpcServer?.addService(LegacyA2AService, legacyGrpcService({ requestHandler, userBuilder: called }))
  return {
    url,
    grpc,
    seen,
    heard,
    close: () =>
      new Promise((resolve) => {
        grpcServer?.forceShutdown()
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

/** @returns the port that the server listens on */
function bound(server: GrpcServer, tls: { key: Buffer; cert: Buffer } | undefined): Promise<number> {
  const credentials = tls
    ? ServerCredentials.createSsl(null, [{ private_key: tls.key, cert_chain: tls.cert }])
    : ServerCredentials.createInsecure()
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error ? reject(error) : resolve(port))),
  )
}

/** Lets nobody in who does not show the token. */
const wanting =
  (token: string): ServerInterceptor =>
  (_, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, proceed) => {
            if (metadata.get('authorization')[0] === `Bearer ${token}`) proceed(metadata)
            else call.sendStatus({ code: status.UNAUTHENTICATED, details: 'who are you?' })
          },
        }),
    })
