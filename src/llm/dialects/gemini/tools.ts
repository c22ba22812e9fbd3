import type { Conversation, Tool } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import type { FunctionCallingConfig, FunctionDeclaration } from './wire.ts'

/** What a request says of tools; empty where there are none. */
export interface ToolFields {
  tools?: { functionDeclarations: FunctionDeclaration[] }[]
  toolConfig?: { functionCallingConfig: FunctionCallingConfig }
}

/**
 * Tools and the choice among them. Parameters go as `parametersJsonSchema`, which takes the client's JSON Schema as it
 * is; the older `parameters` is a subset of OpenAPI 3.0 that knows no `$ref`, `oneOf` or `additionalProperties`.
 */
export function writeTools(conversation: Conversation, context: RequestContext): ToolFields {
  const { tools, toolChoice } = conversation
  if (tools.length === 0) {
    if (toolChoice && toolChoice.type !== 'auto' && toolChoice.type !== 'none')
      context.refuse('tool_choice', 'the request has no tools to choose from. Add the tools or leave tool_choice out.')
    return {}
  }
  if (conversation.parallelToolCalls === false && toolChoice?.type !== 'none')
    context.refuse(
      'parallel_tool_calls',
      'Gemini has no way to keep a model from calling tools in parallel. Leave the field out and handle several calls.',
    )
  const config = callingConfig(conversation)
  return {
    tools: [{ functionDeclarations: tools.map(declaration) }],
    ...(config && { toolConfig: { functionCallingConfig: config } }),
  }
}

function declaration({ name, description, parameters }: Tool): FunctionDeclaration {
  return {
    name,
    ...(description !== undefined && { description }),
    ...(parameters !== undefined && { parametersJsonSchema: parameters }),
  }
}

/**
 * VALIDATED is AUTO with calls held to their schemas: what OpenAI calls `strict`, and the only free choice that may be
 * narrowed to some of the tools. ANY holds calls to their schemas as well.
 */
function callingConfig({ tools, toolChoice }: Conversation): FunctionCallingConfig | undefined {
  const free = tools.some((tool) => tool.strict) ? 'VALIDATED' : 'AUTO'
  switch (toolChoice?.type) {
    case undefined:
      return free === 'AUTO' ? undefined : { mode: free }
    case 'auto':
      return { mode: free }
    case 'none':
      return { mode: 'NONE' }
    case 'required':
      return { mode: 'ANY' }
    case 'tool':
      return { mode: 'ANY', allowedFunctionNames: [toolChoice.name] }
    case 'allowed':
      return { mode: toolChoice.mode === 'required' ? 'ANY' : 'VALIDATED', allowedFunctionNames: toolChoice.names }
  }
}
