import {
  Client as NewClient,
  StreamableHTTPClientTransport as NewHttpTransport,
  type Transport as NewTransport,
} from '@modelcontextprotocol/client'
import { StdioClientTransport as NewStdioTransport } from '@modelcontextprotocol/client/stdio'
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StdioClientTransport as OldStdioTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as OldHttpTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport as OldTransport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CreateMessageRequestSchema,
  type CreateMessageResult,
  ElicitRequestSchema,
  type ElicitResult,
  ListRootsRequestSchema,
  type ListRootsResult,
} from '@modelcontextprotocol/sdk/types.js'
import type { StdioServer } from './stdio.ts'

/** A message without its id. */
export interface Heard {
  readonly method: string
  readonly params?: Readonly<Record<string, unknown>>
}

/** How a client answers what servers ask. What is left out is not declared as a capability either. */
export interface Answering {
  sampling?: (params: Heard['params']) => CreateMessageResult | Promise<CreateMessageResult>
  elicitation?: (params: Heard['params']) => ElicitResult | Promise<ElicitResult>
  roots?: () => ListRootsResult | Promise<ListRootsResult>
}

/** The text of every sampled message. */
export const sampled = 'A sampled text.'

/** Answers everything: a fixed text, a form filled in as far as its schema demands, one root. */
export const answerAll: Required<Answering> = {
  sampling: () => ({ role: 'assistant', model: 'test-model', content: { type: 'text', text: sampled } }),
  elicitation: (params) => ({ action: 'accept', content: fill(params?.requestedSchema) }),
  roots: () => ({ roots: [{ uri: 'file:///test/root', name: 'root' }] }),
}

/** Where a client connects to: a URL, or a process that is started for it. */
export type Target = string | StdioServer

export interface ClientOptions {
  /** `answerAll` if not said; `{}` is a client that can answer nothing. */
  readonly answers?: Answering
  /** Sent with each HTTP request. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A connected client and what it has heard. */
export interface Connected<C, T> {
  readonly client: C
  readonly transport: T
  /** Every notification, in order. */
  readonly heard: Heard[]
  /** Every request for sampling, elicitation or roots, in order. */
  readonly asked: Heard[]
  close(): Promise<void>
}

/**
 * Connects a client of the old era: SDK 1.x, streamable HTTP or a process. Over HTTP its session is ended before it is closed.
 * @throws what the SDK throws if the handshake fails
 */
export async function connectOld(
  target: Target,
  options: ClientOptions = {},
): Promise<Connected<OldClient, OldTransport>> {
  if (typeof target !== 'string') return old(new OldStdioTransport({ ...target, stderr: 'ignore' }), options)
  const transport = new OldHttpTransport(new URL(target), { requestInit: { headers: { ...options.headers } } })
  return old(transport, options, () => transport.terminateSession())
}

/** Connects a client of the revision 2024-11-05: SDK 1.x, HTTP+SSE. */
export function connectSse(url: string, options: ClientOptions = {}): Promise<Connected<OldClient, OldTransport>> {
  return old(new SSEClientTransport(new URL(url), { requestInit: { headers: { ...options.headers } } }), options)
}

/**
 * Connects a client of SDK 2.x.
 * @param mode `modern` takes 2026-07-28 and nothing else, `legacy` begins with `initialize` as SDK 1.x does, `auto` asks first
 * @throws what the SDK throws if the server has no such revision
 */
export async function connectNew(
  target: Target,
  options: ClientOptions & { readonly mode?: 'modern' | 'legacy' | 'auto' } = {},
): Promise<Connected<NewClient, NewTransport>> {
  const { answers = answerAll, headers, mode = 'modern' } = options
  const client = new NewClient(
    { name: 'new-client', version: '1.0.0' },
    {
      capabilities: capabilitiesOf(answers),
      versionNegotiation: { mode: mode === 'modern' ? { pin: '2026-07-28' } : mode },
    },
  )
  const asked: Heard[] = []
  const { sampling, elicitation, roots } = answers
  if (sampling)
    client.setRequestHandler('sampling/createMessage', ({ method, params }) => {
      asked.push({ method, params })
      return sampling(params)
    })
  if (elicitation)
    client.setRequestHandler('elicitation/create', ({ method, params }) => {
      asked.push({ method, params })
      return elicitation(params)
    })
  if (roots)
    client.setRequestHandler('roots/list', ({ method, params }) => {
      asked.push({ method, ...(params && { params }) })
      return roots()
    })
  const http =
    typeof target === 'string'
      ? new NewHttpTransport(new URL(target), { requestInit: { headers: { ...headers } } })
      : undefined
  const transport = http ?? new NewStdioTransport({ ...(target as StdioServer), stderr: 'ignore' })
  await client.connect(transport)
  const heard = record(transport)
  return {
    client,
    transport,
    heard,
    asked,
    async close() {
      if (http?.sessionId) await http.terminateSession()
      await client.close()
    },
  }
}

async function old(
  transport: OldTransport,
  { answers = answerAll }: ClientOptions,
  end?: () => Promise<void>,
): Promise<Connected<OldClient, OldTransport>> {
  const client = new OldClient({ name: 'old-client', version: '1.0.0' }, { capabilities: capabilitiesOf(answers) })
  const asked: Heard[] = []
  const { sampling, elicitation, roots } = answers
  if (sampling)
    client.setRequestHandler(CreateMessageRequestSchema, ({ method, params }) => {
      asked.push({ method, params })
      return sampling(params)
    })
  if (elicitation)
    client.setRequestHandler(ElicitRequestSchema, ({ method, params }) => {
      asked.push({ method, params })
      return elicitation(params)
    })
  if (roots)
    client.setRequestHandler(ListRootsRequestSchema, ({ method, params }) => {
      asked.push({ method, ...(params && { params }) })
      return roots()
    })
  await client.connect(transport)
  const heard = record(transport)
  return {
    client,
    transport,
    heard,
    asked,
    async close() {
      await end?.()
      await client.close()
    },
  }
}

const capabilitiesOf = ({ sampling, elicitation, roots }: Answering) => ({
  ...(sampling && { sampling: {} }),
  ...(elicitation && { elicitation: {} }),
  ...(roots && { roots: { listChanged: true } }),
})

/** Writes down the notifications that arrive from now on, whoever handles them. */
function record(transport: OldTransport | NewTransport): Heard[] {
  const heard: Heard[] = []
  const inner = transport.onmessage as ((message: unknown, extra?: unknown) => void) | undefined
  transport.onmessage = (message: object, extra?: unknown) => {
    if ('method' in message && !('id' in message)) heard.push(message as Heard)
    inner?.(message, extra)
  }
  return heard
}

/** A form filled in: the default of each field, else its first choice, else any value of its type. */
function fill(schema: unknown): Record<string, string | number | boolean | string[]> {
  const { properties = {} } = (schema ?? {}) as { properties?: Record<string, Field> }
  return Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, filled(field)]))
}

interface Field {
  readonly type?: string
  readonly default?: string | number | boolean | string[]
  readonly enum?: readonly string[]
  readonly oneOf?: readonly { readonly const: string }[]
  readonly anyOf?: readonly { readonly const: string }[]
  readonly items?: Field
}

function filled(field: Field): string | number | boolean | string[] {
  if (field.default !== undefined) return field.default
  const choice = field.enum?.[0] ?? field.oneOf?.[0]?.const ?? field.anyOf?.[0]?.const
  if (choice !== undefined) return choice
  if (field.type === 'array') return field.items ? [String(filled(field.items))] : []
  if (field.type === 'boolean') return true
  return field.type === 'number' || field.type === 'integer' ? 1 : 'a text'
}
