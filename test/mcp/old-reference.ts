import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import {
  CallToolRequestSchema,
  type CallToolResult,
  CompleteRequestSchema,
  ErrorCode,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  ResultSchema,
  type ServerNotification,
  type ServerRequest,
  SubscribeRequestSchema,
  type Tool,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
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
  template,
  templated,
  watched,
} from './fixture.ts'

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>
type Call = (args: Record<string, unknown>, extra: Extra) => Promise<CallToolResult>

const text = (value: string): CallToolResult => ({ content: [{ type: 'text', text: value }] })
const pause = () => new Promise((resolve) => setTimeout(resolve, 20))

/**
 * A server of the sessionful revisions (2024-11-05 … 2025-11-25), built with SDK 1.x, that offers what fixture.ts says.
 * It belongs to one session. It asks its client by requests of its own, in the midst of a call.
 * @param closeStream ends the stream of a call before its result is there, where the transport can do that (SEP-1699)
 */
export function oldReference(closeStream?: (extra: Extra) => void): Server {
  const server = new Server(
    { name: 'old-reference', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        logging: {},
        completions: {},
      },
      instructions: 'Instructions of the old reference.',
    },
  )
  const subscriptions = new Set<string>()
  const tools = new Map<string, { definition: Tool; call: Call }>()
  const add = (definition: { name: string; description: string; inputSchema?: unknown }, call: Call) =>
    tools.set(definition.name, {
      definition: { inputSchema: { type: 'object', properties: {} }, ...definition } as Tool,
      call,
    })

  const ask = async (asking: Asking, args: Record<string, unknown>, extra: Extra): Promise<string> => {
    const can = (capability: 'elicitation' | 'sampling' | 'roots') =>
      server.getClientCapabilities()?.[capability] !== undefined
    let answers: Answers = {}
    for (const round of asking.rounds) {
      const asked = await Promise.all(
        Object.entries(round({ args, can })).map(async ([key, request]) => [
          key,
          await extra.sendRequest(request as ServerRequest, ResultSchema),
        ]),
      )
      answers = { ...answers, ...Object.fromEntries(asked) }
    }
    return asking.text(answers)
  }
  const progress = async (extra: Extra, value: number) => {
    const progressToken = extra._meta?.progressToken
    if (progressToken === undefined) return
    await extra.sendNotification({
      method: 'notifications/progress',
      params: { progressToken, progress: value, total: 100, message: `${value} of 100` },
    })
  }
  const log: Call = async (_, extra) => {
    for (const data of logMessages) {
      await extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data } })
      await pause()
    }
    return text('logged')
  }

  for (const { content, ...definition } of plainTools)
    add(definition, async () => ({ content: content as CallToolResult['content'] }))
  for (const asking of askingTools) {
    const { name, description, inputSchema } = asking
    add({ name, description, ...(inputSchema && { inputSchema }) }, async (args, extra) => {
      if (asking.progress) await progress(extra, 50)
      return text(await ask(asking, args, extra))
    })
  }
  add(ownTools.log, log)
  add(ownTools.logQuietly, async () => text('nothing to log'))
  add(ownTools.progress, async (_, extra) => {
    for (const step of progressSteps) {
      await progress(extra, step)
      await pause()
    }
    return text('done')
  })
  add(ownTools.fail, async () => {
    throw new Error(failure)
  })
  add(ownTools.toolsChange, async () => {
    await server.sendToolListChanged()
    return text('said')
  })
  add(ownTools.promptsChange, async () => {
    await server.sendPromptListChanged()
    return text('said')
  })
  add(ownTools.resourceChange, async () => {
    if (subscriptions.has(watched)) await server.sendResourceUpdated({ uri: watched })
    return text('said')
  })
  add({ name: 'test_reconnection', description: 'Ends the stream before the result is there' }, async (_, extra) => {
    closeStream?.(extra)
    await pause()
    return text('reconnected')
  })

  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: [...tools.values()].map(({ definition }) => definition),
  }))
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const tool = tools.get(params.name)
    if (!tool) throw new McpError(ErrorCode.InvalidParams, `There is no tool ${params.name}`)
    try {
      return await tool.call(params.arguments ?? {}, extra)
    } catch (error) {
      return { ...text(error instanceof Error ? error.message : String(error)), isError: true }
    }
  })
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: resources.map(({ content: _, ...definition }) => definition),
  }))
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: [template] }))
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) => {
    const resource = resources.find((each) => each.uri === uri)
    const content = resource ? { uri, mimeType: resource.mimeType, ...resource.content } : templated(uri)
    // -32002 is the code of the revisions before 2026-07-28.
    if (!content) throw new McpError(-32002, 'Resource not found', { uri })
    return { contents: [content] }
  })
  server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    subscriptions.add(params.uri)
    return {}
  })
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    subscriptions.delete(params.uri)
    return {}
  })
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: [
      ...prompts.map(({ content: _, ...definition }) => ({ ...definition, arguments: [...definition.arguments] })),
      { name: askingPrompt.name, description: askingPrompt.description },
    ],
  }))
  server.setRequestHandler(GetPromptRequestSchema, async ({ params }, extra) => {
    const message = (content: unknown) => ({
      role: 'user' as const,
      content: content as { type: 'text'; text: string },
    })
    if (params.name === askingPrompt.name)
      return { messages: [message({ type: 'text', text: await ask(askingPrompt, {}, extra) })] }
    const prompt = prompts.find(({ name }) => name === params.name)
    if (!prompt) throw new McpError(ErrorCode.InvalidParams, `There is no prompt ${params.name}`)
    for (const { name } of prompt.arguments)
      if (params.arguments?.[name] === undefined)
        throw new McpError(ErrorCode.InvalidParams, `The argument ${name} is missing`)
    return { messages: prompt.content(params.arguments ?? {}).map(message) }
  })
  server.setRequestHandler(CompleteRequestSchema, ({ params }) => {
    const values = completions.filter((each) => each.startsWith(params.argument.value))
    return { completion: { values, total: values.length, hasMore: false } }
  })
  return server
}
