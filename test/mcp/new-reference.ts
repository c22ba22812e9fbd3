import {
  type CallToolResult,
  completable,
  createRequestStateCodec,
  fromJsonSchema,
  type GetPromptResult,
  type InputRequests,
  type InputRequiredResult,
  inputRequired,
  type JsonSchemaType,
  McpServer,
  ResourceTemplate,
  type ServerContext,
  type ServerNotifier,
} from '@modelcontextprotocol/server'
import { z } from 'zod'
import {
  type Answers,
  type Asking,
  askingPrompt,
  askingTools,
  completions,
  failure,
  logMessages,
  ownTools,
  plainTools,
  progressSteps,
  prompts,
  resources,
  type Schema,
  template,
  templated,
  watched,
} from './fixture.ts'

/** What a tool that asks remembers from one round to the next. */
interface State {
  readonly tool: string
  readonly answers: Answers
}

const states = createRequestStateCodec<State>({ key: 'a key of the tests, as long as it has to be' })

const text = (value: string): CallToolResult => ({ content: [{ type: 'text', text: value }] })
const schema = (json: Schema) => fromJsonSchema<Record<string, unknown>>(json as JsonSchemaType)
const pause = () => new Promise((resolve) => setTimeout(resolve, 20))

/** Who hears of changes: the HTTP handler's subscriptions, or nobody. */
export type Notify = Pick<ServerNotifier, 'toolsChanged' | 'promptsChanged' | 'resourceUpdated'>

/**
 * A server of the revision 2026-07-28, built with SDK 2.x, that offers what fixture.ts says. It is made anew for each request.
 * It asks its client in its results: one round for each time that it is called.
 */
export function newReference(notify?: Notify): McpServer {
  const server = new McpServer(
    { name: 'new-reference', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        logging: {},
        completions: {},
      },
      instructions: 'Instructions of the new reference.',
      requestState: { verify: (state, context) => states.verify(state, context) },
      cacheHints: { 'tools/list': { ttlMs: 60_000, cacheScope: 'public' } },
    },
  )
  const add = (
    { name, description, inputSchema = { type: 'object', properties: {} } }: Described,
    call: (args: Record<string, unknown>, context: ServerContext) => Promise<CallToolResult | InputRequiredResult>,
  ) => server.registerTool(name, { description, inputSchema: schema(inputSchema) }, call)

  for (const { content, ...definition } of plainTools)
    add(definition, async () => ({ content: content as CallToolResult['content'] }))
  for (const asking of askingTools)
    add(asking, async (args, context) => {
      if (asking.progress) await progress(context, 50)
      const result = await ask(asking, args, context)
      return typeof result === 'string' ? text(result) : result
    })
  const log = async (_: unknown, context: ServerContext) => {
    for (const message of logMessages) {
      await context.mcpReq.log('info', message)
      await pause()
    }
    return text('logged')
  }
  add(ownTools.log, log)
  add(ownTools.logQuietly, log)
  add(ownTools.progress, async (_, context) => {
    for (const step of progressSteps) {
      await progress(context, step)
      await pause()
    }
    return text('done')
  })
  add(ownTools.fail, async () => {
    throw new Error(failure)
  })
  add(ownTools.toolsChange, async () => {
    notify?.toolsChanged()
    return text('said')
  })
  add(ownTools.promptsChange, async () => {
    notify?.promptsChanged()
    return text('said')
  })
  add(ownTools.resourceChange, async () => {
    notify?.resourceUpdated(watched)
    return text('said')
  })

  for (const { uri, name, description, mimeType, content } of resources)
    server.registerResource(name, uri, { description, mimeType }, async () => ({
      contents: [{ uri, mimeType, ...content }],
    }))
  const { uriTemplate, name, ...metadata } = template
  server.registerResource(name, new ResourceTemplate(uriTemplate, { list: undefined }), metadata, async (uri) => ({
    contents: [templated(uri.href)!],
  }))

  for (const { name, description, arguments: names, content } of prompts) {
    const messages = (args: Record<string, string>) =>
      ({ messages: content(args).map((each) => ({ role: 'user', content: each })) }) as GetPromptResult
    if (names.length === 0) server.registerPrompt(name, { description }, async () => messages({}))
    else
      server.registerPrompt(
        name,
        {
          description,
          argsSchema: z.object(
            Object.fromEntries(
              names.map((each) => [
                each.name,
                completable(z.string().describe(each.description), (value) =>
                  completions.filter((completion) => completion.startsWith(value ?? '')),
                ),
              ]),
            ),
          ),
        },
        async (args) => messages(args as Record<string, string>),
      )
  }
  server.registerPrompt(askingPrompt.name, { description: askingPrompt.description }, async (context) => {
    const result = await ask(askingPrompt, {}, context)
    return typeof result === 'string'
      ? { messages: [{ role: 'user', content: { type: 'text', text: result } }] }
      : result
  })
  return server
}

interface Described {
  readonly name: string
  readonly description: string
  readonly inputSchema?: Schema
}

/**
 * The text, or the next round's questions. Answers that are not there are asked for again. The SDK refuses questions that the
 * client has not said it can answer (-32021).
 */
async function ask(
  asking: Asking,
  args: Record<string, unknown>,
  context: ServerContext,
): Promise<string | InputRequiredResult> {
  // The published type of the envelope is empty.
  const envelope = context.mcpReq.envelope as Record<string, Record<string, unknown> | undefined> | undefined
  const declared = envelope?.['io.modelcontextprotocol/clientCapabilities']
  const can = (capability: 'elicitation' | 'sampling' | 'roots') => declared?.[capability] !== undefined
  const before = context.mcpReq.requestState<State>()
  const answers: Answers = {
    ...(before?.tool === asking.name ? before.answers : {}),
    ...((context.mcpReq.inputResponses ?? {}) as Answers),
  }
  for (const round of asking.rounds) {
    const asks = round({ args, can })
    const open = Object.entries(asks).filter(([key]) => answers[key] === undefined)
    if (open.length === 0) continue
    return inputRequired({
      inputRequests: Object.fromEntries(open) as InputRequests,
      ...(asking.state && {
        requestState: await states.mint({ tool: asking.name, answers: pick(answers, asked(asking, { args, can })) }),
      }),
    })
  }
  return asking.text(pick(answers, asked(asking, { args, can })))
}

/** The keys of every question of a tool. */
const asked = (asking: Asking, input: Parameters<Asking['rounds'][number]>[0]): string[] =>
  asking.rounds.flatMap((round) => Object.keys(round(input)))

const pick = (answers: Answers, keys: readonly string[]): Answers =>
  Object.fromEntries(keys.flatMap((key) => (answers[key] ? [[key, answers[key]]] : [])))

async function progress({ mcpReq }: ServerContext, value: number): Promise<void> {
  const progressToken = mcpReq._meta?.progressToken
  if (progressToken === undefined) return
  await mcpReq.notify({
    method: 'notifications/progress',
    params: { progressToken, progress: value, total: 100, message: `${value} of 100` },
  })
}
