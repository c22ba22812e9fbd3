import { AsyncLocalStorage } from 'node:async_hooks'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { AgentCard, TaskState } from '@a2a-js/sdk'
import { AgentEvent, type AgentExecutor, DefaultRequestHandler, InMemoryTaskStore } from '@a2a-js/sdk/server'
import { agentCardHandler, jsonRpcHandler, UserBuilder } from '@a2a-js/sdk/server/express'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import express from 'express'
import OpenAI from 'openai'
import { askAgent } from './ask.ts'

/**
 * One agent, a process of its own: `agent.ts NAME PORT`. Whatever it needs it asks its own sidecar for (`CHAPERONE_URL`,
 * `CHAPERONE_KEY`). All it does for its governance is to send the delegation along that came with its task; it knows nothing of traces
 * and budgets. It says when it is ready.
 */

const [name = '', port = '0'] = process.argv.slice(2)
const sidecar = process.env.CHAPERONE_URL ?? ''
const key = process.env.CHAPERONE_KEY ?? ''

/** The delegation of the task that is worked on. */
const delegation = new AsyncLocalStorage<string>()
const shown = () => ({ 'chaperone-delegation': delegation.getStore() ?? '' })

async function model(text: string): Promise<string> {
  const client = new OpenAI({ apiKey: key, baseURL: `${sidecar}/v1`, maxRetries: 0, defaultHeaders: shown() })
  const messages = [{ role: 'user' as const, content: text }]
  const { choices } = await client.chat.completions.create({ model: 'demo', max_tokens: 100, messages })
  return choices[0]?.message.content ?? ''
}

async function tool(a: number, b: number): Promise<string> {
  const client = new Client({ name, version: '1.0.0' })
  const headers = { authorization: `Bearer ${key}`, ...shown() }
  // The SDK's own transport is not of its Transport type where optional properties are exact.
  const transport = new StreamableHTTPClientTransport(new URL(`${sidecar}/mcp`), { requestInit: { headers } })
  await client.connect(transport as Parameters<Client['connect']>[0])
  try {
    const { content } = await client.callTool({ name: 'sums_add', arguments: { a, b } })
    return (content as { text?: string }[])[0]?.text ?? ''
  } finally {
    await client.close()
  }
}

const other = (agent: string, text: string) =>
  askAgent(`${sidecar}/a2a/${agent}`, text, { authorization: `Bearer ${key}`, ...shown() })

/** What each of them does with a task. */
const works: Record<string, (said: string) => Promise<string>> = {
  async planner(said) {
    await model(`Plan this: ${said}`)
    const found = await other('researcher', `Find out: ${said}`)
    await model(`Sum up: ${found.text}`)
    return `The plan: ${found.text}`
  },
  async researcher(said) {
    const sum = await tool(20, 22)
    await model(`What does ${sum} mean for: ${said}`)
    const written = await other('writer', `Write down that it is ${sum}`)
    return written.text
  },
  async writer(said) {
    await model(`Write: ${said}`)
    return `${said}, checked: ${await tool(40, 2)}`
  },
}

const text = (value: string) => ({
  content: { $case: 'text' as const, value },
  metadata: undefined,
  filename: '',
  mediaType: '',
})

const executor: AgentExecutor = {
  async execute({ userMessage, taskId, contextId }, bus) {
    const said = userMessage.parts.map(({ content }) => (content?.$case === 'text' ? content.value : '')).join('')
    const status = (state: TaskState) => ({ state, message: undefined, timestamp: undefined })
    const began = status(TaskState.TASK_STATE_WORKING)
    bus.publish(
      AgentEvent.task({ id: taskId, contextId, status: began, artifacts: [], history: [], metadata: undefined }),
    )
    let state = TaskState.TASK_STATE_COMPLETED
    const answer = await works[name]!(said).catch((error: Error) => {
      state = TaskState.TASK_STATE_FAILED
      return error.message
    })
    const artifact = { artifactId: 'answer', name: 'answer', description: '', parts: [text(answer)], extensions: [] }
    bus.publish(
      AgentEvent.artifactUpdate({
        taskId,
        contextId,
        artifact: { ...artifact, metadata: undefined },
        append: false,
        lastChunk: true,
        metadata: undefined,
      }),
    )
    bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status: status(state), metadata: undefined }))
    bus.finished()
  },
  async cancelTask() {},
}

const app = express()
const server = createServer(app as unknown as RequestListener)
const url = `http://127.0.0.1:${port}`
const card = AgentCard.fromJSON({
  name,
  description: `The ${name} of the example`,
  version: '1.0.0',
  supportedInterfaces: [{ url: `${url}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  capabilities: { streaming: true },
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [{ id: name, name, description: name, tags: ['example'] }],
})
const requestHandler = new DefaultRequestHandler(card, new InMemoryTaskStore(), executor)
app.use((request: IncomingMessage, _: ServerResponse, next: () => void) => {
  delegation.run(String(request.headers['chaperone-delegation'] ?? ''), next)
})
app.use('/.well-known/agent-card.json', agentCardHandler({ agentCardProvider: requestHandler }))
app.use('/rpc', jsonRpcHandler({ requestHandler, userBuilder: UserBuilder.noAuthentication }))
server.listen(Number(port), '127.0.0.1', () => process.stdout.write('ready\n'))
