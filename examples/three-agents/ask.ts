import { ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory } from '@a2a-js/sdk/client'

/** What an agent answered. */
export interface Answer {
  readonly taskId: string
  /** Such as `TASK_STATE_COMPLETED`. */
  readonly state: string
  readonly text: string
}

/**
 * Sends an agent a message and waits for what comes of it.
 * @param url where its gateway has it: `http://127.0.0.1:10000/a2a/planner`
 * @param headers who asks, and what else the gateway is to know
 * @throws {Error} what the gateway or the agent says instead
 */
export async function askAgent(url: string, text: string, headers: Record<string, string>): Promise<Answer> {
  const fetchImpl = ((input: string | URL | Request, init?: RequestInit) => {
    const all = new Headers(init?.headers)
    for (const [name, value] of Object.entries(headers)) all.set(name, value)
    return fetch(input, { ...init, headers: all })
  }) as typeof fetch
  const factory = new ClientFactory({
    transports: [new JsonRpcTransportFactory({ fetchImpl })],
    cardResolver: new DefaultAgentCardResolver({ fetchImpl }),
  })
  const client = await factory.createFromUrl(`${url}/.well-known/agent-card.json`, '')
  const content = { $case: 'text' as const, value: text }
  const stream = client.sendMessageStream({
    tenant: '',
    message: {
      messageId: crypto.randomUUID(),
      role: 1,
      parts: [{ content, metadata: undefined, filename: '', mediaType: '' }],
      contextId: '',
      taskId: '',
      metadata: undefined,
      extensions: [],
      referenceTaskIds: [],
    },
    configuration: undefined,
    metadata: undefined,
  })
  let answer: Answer = { taskId: '', state: '', text: '' }
  for await (const { payload } of stream) {
    if (payload?.$case === 'task') answer = { ...answer, taskId: payload.value.id }
    if (payload?.$case === 'statusUpdate') answer = { ...answer, state: stateName(payload.value.status?.state) }
    if (payload?.$case === 'artifactUpdate') answer = { ...answer, text: textOf(payload.value.artifact?.parts ?? []) }
  }
  if (answer.state !== 'completed') throw new Error(answer.text || `the task is ${answer.state}`)
  return answer
}

/** TaskState of the SDK, as far as the example's agents come to it. */
const stateName = (state: number | undefined) => ({ 3: 'completed', 4: 'failed' })[state ?? 0] ?? 'working'
const textOf = (parts: readonly { content?: { $case: string; value: unknown } | undefined }[]) =>
  parts.map(({ content }) => (content?.$case === 'text' ? String(content.value) : '')).join('')
