import { randomUUID } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { createRequire } from 'node:module'
import { type AgentCard, Role } from '@a2a-js/sdk'
import { AgentEvent, DefaultRequestHandler, InMemoryTaskStore } from '@a2a-js/sdk/server'
import { agentCardHandler, jsonRpcHandler, UserBuilder } from '@a2a-js/sdk/server/express'

/** What of Express the SDK's handlers need; the package has no types. */
type Express = () => RequestListener & { use(path: string, handler: unknown): void }

/**
 * Serves an A2A agent that says back what it was told: JSON-RPC of A2A 1.0 and 0.3 at `/`, its card where cards are.
 * @param url where it can be reached, for its card
 */
export function agent(url: string): RequestListener {
  const express = createRequire(import.meta.url)('express') as Express
  const requestHandler = new DefaultRequestHandler(cardOf(url), new InMemoryTaskStore(), {
    execute: async ({ request, contextId }, bus) => {
      const said = request.message?.parts.flatMap(({ content }) => (content?.$case === 'text' ? [content.value] : []))
      bus.publish(
        AgentEvent.message({
          messageId: randomUUID(),
          contextId,
          taskId: '',
          role: Role.ROLE_AGENT,
          parts: [
            {
              content: { $case: 'text', value: `This is a demo. You said: ${said?.join(' ') ?? ''}` },
              metadata: undefined,
              filename: '',
              mediaType: 'text/plain',
            },
          ],
          metadata: undefined,
          extensions: [],
          referenceTaskIds: [],
        }),
      )
      bus.finished()
    },
    cancelTask: async () => undefined,
  })
  const app = express()
  app.use('/.well-known/agent-card.json', agentCardHandler({ agentCardProvider: requestHandler }))
  app.use(
    '/',
    jsonRpcHandler({ requestHandler, userBuilder: UserBuilder.noAuthentication, legacyCompat: { enabled: true } }),
  )
  return app
}

function cardOf(url: string): AgentCard {
  return {
    name: 'Demo agent',
    description: 'Says back what it was told.',
    version: '1.0.0',
    supportedInterfaces: ['1.0', '0.3'].map((protocolVersion) => ({
      url,
      protocolBinding: 'JSONRPC',
      tenant: '',
      protocolVersion,
    })),
    provider: undefined,
    capabilities: { streaming: true, pushNotifications: false, extensions: [] },
    securitySchemes: {},
    securityRequirements: [],
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: [
      {
        id: 'echo',
        name: 'Echo',
        description: 'Says back what it was told.',
        tags: ['demo'],
        examples: [],
        inputModes: [],
        outputModes: [],
        securityRequirements: [],
      },
    ],
    signatures: [],
  }
}
