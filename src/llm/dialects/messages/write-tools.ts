import { type Conversation, type Tool, toolNamesById, type ToolChoice as Wanted } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import type { ToolChoice, ToolEntry } from './blocks.ts'
import { cacheControl } from './cache-control.ts'

/** What a request says of tools; empty where there are none. */
export interface ToolFields {
  tools?: ToolEntry[]
  tool_choice?: ToolChoice
}

/**
 * Tools and the choice among them. A choice among some of the tools is said by sending only these. A conversation with
 * calls but without tools (a summary of it, say) declares tools of the called names and forbids to call them: the API
 * wants the tools of earlier calls defined.
 */
export function writeTools(conversation: Conversation, context: RequestContext): ToolFields {
  const { toolChoice } = conversation
  if (conversation.tools.length === 0) {
    if (toolChoice && toolChoice.type !== 'auto' && toolChoice.type !== 'none')
      context.refuse('tool_choice', 'the request has no tools to choose from. Add the tools or leave tool_choice out.')
    const called = [...new Set(toolNamesById(conversation.turns).values())]
    return called.length === 0 ? {} : { tools: called.map(pastTool), tool_choice: { type: 'none' } }
  }
  const tools =
    toolChoice?.type === 'allowed' ? allowedTools(conversation.tools, toolChoice, context) : conversation.tools
  const choice = writeChoice(toolChoice, conversation.parallelToolCalls === false)
  return { tools: tools.map((tool) => toolEntry(tool, context)), ...(choice && { tool_choice: choice }) }
}

function pastTool(name: string): ToolEntry {
  return {
    name,
    description: 'Was called earlier in this conversation. It is not available any more.',
    input_schema: { type: 'object', properties: {} },
  }
}

function allowedTools(
  tools: readonly Tool[],
  { names }: Wanted & { type: 'allowed' },
  context: RequestContext,
): Tool[] {
  const allowed = tools.filter((tool) => names.includes(tool.name))
  if (allowed.length === 0)
    context.refuse('tool_choice', 'none of the allowed tools is among the tools of the request. Name at least one.')
  return allowed
}

function toolEntry({ name, description, parameters, strict, cache }: Tool, context: RequestContext): ToolEntry {
  if (parameters?.type !== undefined && parameters.type !== 'object')
    context.refuse(
      'tools',
      `the arguments of the tool ${name} are not an object. Describe them by a schema of type object.`,
    )
  return {
    name,
    ...(description !== undefined && description.trim() !== '' && { description }),
    // The API wants the type said, which other APIs take for granted.
    input_schema: { ...(parameters ?? { properties: {} }), type: 'object' },
    ...(strict && { strict }),
    ...cacheControl(cache),
  }
}

/** `auto` is what the model does unless told otherwise, so it is said only where calls shall not be parallel. */
function writeChoice(wanted: Wanted | undefined, single: boolean): ToolChoice | undefined {
  const one = single ? { disable_parallel_tool_use: true as const } : {}
  const type = wanted?.type === 'allowed' ? wanted.mode : wanted?.type
  switch (type) {
    case 'none':
      return { type: 'none' }
    case 'required':
      return { type: 'any', ...one }
    case 'tool':
      return { type: 'tool', name: (wanted as Wanted & { type: 'tool' }).name, ...one }
    default:
      return single ? { type: 'auto', ...one } : undefined
  }
}
