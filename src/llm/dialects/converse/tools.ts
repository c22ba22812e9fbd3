import { type Conversation, type JsonObject, type Tool, type ToolChoice, toolNamesById } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { cachePoint } from './cache.ts'
import { bedrockModel } from './model.ts'
import type { ToolConfig, ToolEntry } from './wire.ts'

/** What a request says of tools; empty where there are none. */
export interface ToolFields {
  toolConfig?: ToolConfig
  /** For `additionalModelRequestFields`. */
  modelFields?: JsonObject
}

type Choice = Exclude<ToolChoice, { type: 'allowed' }>

/**
 * Tools and the choice among them.
 *
 * Converse can say `auto`, `any` and one `tool`. What else a client may ask for:
 *
 * - a choice among some of the tools: the others are not sent;
 * - `none`: the tools are not sent, and a model that knows of none calls none. Where the conversation holds calls
 *   already, Bedrock wants the tools defined (400 otherwise), so they stay and Claude is told in its own words,
 *   `additionalModelRequestFields.tool_choice`; other models cannot be told and the request is refused;
 * - calls one at a time: Claude's own words again, in which the whole choice must then be said (Bedrock refuses a
 *   choice said twice, BerriAI/litellm#36536). Refused elsewhere;
 * - a conversation with calls but without tools (a summary of it, say): tools of the called names are declared, and
 *   Claude is told to call none.
 */
export function writeTools(conversation: Conversation, context: RequestContext): ToolFields {
  const { toolChoice } = conversation
  const called = calledTools(conversation)
  if (conversation.tools.length === 0) {
    if (toolChoice && toolChoice.type !== 'auto' && toolChoice.type !== 'none')
      context.refuse('tool_choice', 'the request has no tools to choose from. Add the tools or leave tool_choice out.')
    if (called.length === 0) return {}
    return {
      toolConfig: { tools: called.map(pastTool) },
      ...(takesOwnChoice(context) && { modelFields: { tool_choice: { type: 'none' } } }),
    }
  }
  if (toolChoice?.type === 'none') return withoutCalls(conversation, called, context)
  const tools =
    toolChoice?.type === 'allowed' ? allowedTools(conversation.tools, toolChoice, context) : conversation.tools
  const choice = singleChoice(toolChoice)
  const entries = toolEntries(tools, context)
  if (conversation.parallelToolCalls === false) {
    if (!takesOwnChoice(context))
      context.refuse(
        'parallel_tool_calls',
        'on Bedrock only Claude 4.5 and later can be kept from calling tools in parallel. Leave the field out and handle several calls.',
      )
    return {
      toolConfig: { tools: entries },
      modelFields: { tool_choice: { ...ownChoice(choice), disable_parallel_tool_use: true } },
    }
  }
  const written = choice && converseChoice(choice)
  return { toolConfig: { tools: entries, ...(written && { toolChoice: written }) } }
}

/** Whether the model reads Claude's `tool_choice` among the additional fields. */
function takesOwnChoice(context: RequestContext): boolean {
  const model = bedrockModel(context.model)
  return model.family === 'claude' && model.version >= 405
}

function withoutCalls(conversation: Conversation, called: readonly string[], context: RequestContext): ToolFields {
  if (called.length === 0) return {}
  if (!takesOwnChoice(context))
    context.refuse(
      'tool_choice',
      'Bedrock cannot forbid this model to call tools once the conversation holds calls. Leave tool_choice out, or choose Claude 4.5 or later.',
    )
  return {
    toolConfig: { tools: toolEntries(conversation.tools, context) },
    modelFields: { tool_choice: { type: 'none' } },
  }
}

/** Names of the tools that the conversation's calls and results speak of. */
function calledTools({ turns }: Conversation): string[] {
  const names = new Set(toolNamesById(turns).values())
  const results = turns.flatMap(({ parts }) => parts).filter((part) => part.type === 'tool_result')
  for (const { name } of results) if (name !== undefined) names.add(name)
  if (names.size === 0 && results.length > 0) names.add('unknown')
  return [...names]
}

function pastTool(name: string): ToolEntry {
  return {
    toolSpec: {
      name,
      description: 'Was called earlier in this conversation. It is not available any more.',
      inputSchema: { json: { type: 'object' } },
    },
  }
}

function allowedTools(
  tools: readonly Tool[],
  { names }: ToolChoice & { type: 'allowed' },
  context: RequestContext,
): Tool[] {
  const allowed = tools.filter((tool) => names.includes(tool.name))
  if (allowed.length === 0)
    context.refuse('tool_choice', 'none of the allowed tools is among the tools of the request. Name at least one.')
  return allowed
}

function toolEntries(tools: readonly Tool[], context: RequestContext): ToolEntry[] {
  return tools.flatMap(({ name, description, parameters, strict, cache }): ToolEntry[] => [
    {
      toolSpec: {
        name,
        // Bedrock refuses an empty one.
        ...(description !== undefined && description.trim() !== '' && { description }),
        inputSchema: { json: parameters ?? { type: 'object', properties: {} } },
        ...(strict && { strict }),
      },
    },
    ...cachePoint(cache, 'tools', context),
  ])
}

/** `auto` is what every model does unless told otherwise, so it is not said. */
function singleChoice(choice: ToolChoice | undefined): Choice | undefined {
  const single: Choice | undefined = choice?.type === 'allowed' ? { type: choice.mode } : choice
  return single?.type === 'auto' ? undefined : single
}

function converseChoice(choice: Choice): ToolConfig['toolChoice'] {
  return choice.type === 'tool' ? { tool: { name: choice.name } } : { any: {} }
}

/** Claude's own `tool_choice`. */
function ownChoice(choice: Choice | undefined): JsonObject {
  if (choice === undefined) return { type: 'auto' }
  return choice.type === 'tool' ? { type: 'tool', name: choice.name } : { type: 'any' }
}
