import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import {
  CreateMessageRequestSchema,
  CreateMessageResultSchema,
  ElicitRequestSchema,
  ElicitResultSchema,
  ListRootsResultSchema,
} from '@modelcontextprotocol/sdk/types.js'

/**
 * What the reference server has for one era only, for the other: tools that ask the client, in the words of their own era. With
 * them the suite of one era can be run against a server of the other, through something that stands between them.
 */

const name = { type: 'object' as const, properties: { name: { type: 'string' as const } }, required: ['name'] }
const color = { type: 'object' as const, properties: { color: { type: 'string' as const } }, required: ['color'] }
const ok = { type: 'object' as const, properties: { ok: { type: 'boolean' as const } }, required: ['ok'] }
const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })

/** What a tool of the SDK 1.x can do while it runs. */
interface Extra {
  sendRequest(request: { method: string; params: object }, schema: unknown): Promise<Record<string, unknown>>
  sendNotification(notification: { method: string; params: object }): Promise<void>
}

/** The tools of the suite of 2026-07-28 in a server with sessions: it sends requests where the other returns input requests. */
export function registerOldEraTools(server: McpServer): void {
  const tool = (title: string, run: (extra: Extra) => Promise<ReturnType<typeof text>>) =>
    server.registerTool(title, { description: `${title}, with requests of the server's own` }, ((extra: Extra) =>
      run(extra)) as never)
  const elicit = (extra: Extra, message: string, requestedSchema: object) =>
    extra.sendRequest({ method: 'elicitation/create', params: { message, requestedSchema } }, ElicitResultSchema)
  const sample = (extra: Extra, question: string) =>
    extra.sendRequest(
      {
        method: 'sampling/createMessage',
        params: { messages: [{ role: 'user', content: { type: 'text', text: question } }], maxTokens: 100 },
      },
      CreateMessageResultSchema,
    )
  const roots = (extra: Extra) => extra.sendRequest({ method: 'roots/list', params: {} }, ListRootsResultSchema)
  const said = (result: Record<string, unknown>, key: string) =>
    String((result.content as Record<string, unknown> | undefined)?.[key] ?? 'nothing')

  tool('test_input_required_result_elicitation', async (extra) =>
    text(`Hello, ${said(await elicit(extra, 'What is your name?', name), 'name')}!`),
  )
  tool('test_input_required_result_sampling', async (extra) =>
    text(`Sampling result: ${said(await sample(extra, 'What is the capital of France?'), 'text')}`),
  )
  tool('test_input_required_result_list_roots', async (extra) =>
    text(`Found ${((await roots(extra)).roots as unknown[]).length} root(s)`),
  )
  tool('test_input_required_result_request_state', async (extra) =>
    text(`state-ok: ${said(await elicit(extra, 'Please confirm', ok), 'ok')}`),
  )
  tool('test_input_required_result_multiple_inputs', async (extra) => {
    const [who, greeting, where] = await Promise.all([
      elicit(extra, 'What is your name?', name),
      sample(extra, 'Generate a greeting'),
      roots(extra),
    ])
    return text(
      `Name: ${said(who, 'name')}; Greeting: ${said(greeting, 'text')}; Roots: ${(where.roots as unknown[]).length}`,
    )
  })
  tool('test_input_required_result_multi_round', async (extra) => {
    const who = said(await elicit(extra, 'Step 1: What is your name?', name), 'name')
    const favorite = said(await elicit(extra, 'Step 2: What is your favorite color?', color), 'color')
    return text(`Multi-round complete for ${who} who likes ${favorite}`)
  })
  tool('test_input_required_result_tampered_state', async (extra) =>
    text(`confirmed: ${said(await elicit(extra, 'Please confirm', ok), 'ok')}`),
  )
  tool('test_input_required_result_capabilities', async (extra) => {
    const capabilities = server.server.getClientCapabilities()
    if (capabilities?.sampling) return text(said(await sample(extra, 'Say hello'), 'text'))
    return text(said(await elicit(extra, 'What is your name?', name), 'name'))
  })
  tool('test_missing_capability', async (extra) => text(said(await sample(extra, 'Say hello'), 'text')))
  tool('test_streaming_elicitation', async (extra) =>
    text(said(await elicit(extra, 'What is your name?', name), 'name')),
  )
  tool('test_logging_tool', async (extra) => {
    await extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data: 'a log line' } })
    return text('logged')
  })
  server.registerPrompt(
    'test_input_required_result_prompt',
    { description: 'A prompt that asks for its context' },
    (async (extra: Extra) => ({
      messages: [
        {
          role: 'user',
          content: {
            type: 'text',
            text: `Context: ${said(
              await elicit(extra, 'What context should the prompt use?', {
                type: 'object',
                properties: { context: { type: 'string' } },
                required: ['context'],
              }),
              'context',
            )}`,
          },
        },
      ],
    })) as never,
  )
}

/** A request that a tool would send to its client. */
interface Asked {
  method: string
  params: unknown
}

/**
 * Lets a tool that is written with requests of the server's own be called without sessions: its requests are answered from
 * the input responses, and the first that is not answered there becomes an input request.
 * @returns where to find the request that was not answered
 */
export function answerFrom(client: Client, inputResponses: Record<string, unknown> | undefined): { asked?: Asked } {
  const found: { asked?: Asked } = {}
  for (const schema of [ElicitRequestSchema, CreateMessageRequestSchema])
    client.setRequestHandler(
      schema as typeof ElicitRequestSchema,
      (async ({ method, params }: Asked) => {
        const answer = inputResponses?.question
        if (answer !== undefined) return answer
        found.asked = { method, params }
        throw new Error('not answered yet')
      }) as never,
    )
  return found
}
