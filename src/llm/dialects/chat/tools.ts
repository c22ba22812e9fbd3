import type { Conversation, JsonObject, Tool, ToolChoice } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { invalid } from '../../errors.ts'
import {
  at,
  booleanField,
  definedOnly,
  isObject,
  objectField,
  objectList,
  requiredText,
  textField,
  unsupported,
  wordField,
} from '../../fields.ts'
import type { CacheReader } from './cache.ts'
import { requiredObject } from './wire.ts'

/** Whether a request uses the deprecated `functions`, so that its answer must call them in the same form. */
export function usesFunctions(body: JsonObject): boolean {
  return Array.isArray(body.functions) && !Array.isArray(body.tools)
}

/**
 * Reads `tools`, or the deprecated `functions`. Only functions can go to another provider.
 * @throws {ApiError} 400 naming `tools[i].type` for custom tools and for those that a provider runs itself
 */
export function readTools(body: JsonObject, cache: CacheReader): Tool[] {
  const functions = objectList(body, 'functions').map(([tool, path]) => readFunction(tool, path))
  const tools = objectList(body, 'tools').map(([tool, path]) => {
    const type = requiredText(tool, 'type', path)
    if (type !== 'function') throw foreignTool(at(path, 'type'), type)
    const inner = requiredObject(tool, 'function', path)
    const marker = cache(tool) ?? cache(inner)
    return { ...readFunction(inner, at(path, 'function')), ...(marker && { cache: marker }) }
  })
  return tools.length > 0 ? tools : functions
}

function readFunction(tool: JsonObject, path: string): Tool {
  return definedOnly<Tool>({
    name: requiredText(tool, 'name', path),
    description: textField(tool, 'description', path),
    parameters: objectField(tool, 'parameters', path),
    strict: booleanField(tool, 'strict', path),
  })
}

/** @throws {ApiError} 400 where `tool_choice` names anything but functions */
export function readToolChoice(body: JsonObject): ToolChoice | undefined {
  const choice = body.tool_choice ?? undefined
  if (choice === undefined) return readFunctionChoice(body)
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { type: choice }
  if (!isObject(choice))
    throw invalid('tool_choice', 'tool_choice must be auto, none, required, or an object that names tools.')
  const type = requiredText(choice, 'type', 'tool_choice')
  if (type === 'function') return { type: 'tool', name: functionName(choice, 'tool_choice') }
  if (type !== 'allowed_tools') throw foreignTool('tool_choice.type', type)
  const allowed = requiredObject(choice, 'allowed_tools', 'tool_choice')
  const inner = 'tool_choice.allowed_tools'
  return {
    type: 'allowed',
    mode: wordField(allowed, 'mode', ['auto', 'required'], inner) ?? 'auto',
    names: objectList(allowed, 'tools', inner).map(([tool, path]) => {
      const kind = requiredText(tool, 'type', path)
      if (kind !== 'function') throw foreignTool(at(path, 'type'), kind)
      return functionName(tool, path)
    }),
  }
}

function functionName(object: JsonObject, path: string): string {
  return requiredText(requiredObject(object, 'function', path), 'name', at(path, 'function'))
}

/** The deprecated `function_call`. */
function readFunctionChoice(body: JsonObject): ToolChoice | undefined {
  const choice = body.function_call ?? undefined
  if (choice === undefined) return undefined
  if (choice === 'auto' || choice === 'none') return { type: choice }
  if (!isObject(choice))
    throw invalid('function_call', 'function_call must be auto, none, or an object that names a function.')
  return { type: 'tool', name: requiredText(choice, 'name', 'function_call') }
}

function foreignTool(path: string, type: string) {
  return unsupported(
    path,
    `the provider behind this model has no tools of type ${type}, only functions. Leave it out or choose a model of OpenAI's own.`,
  )
}

/** Tools of a request and the choice among them; empty where there are none. */
export function writeTools(conversation: Conversation, context: RequestContext): JsonObject {
  const { tools, toolChoice, parallelToolCalls } = conversation
  if (tools.some((tool) => tool.cache !== undefined)) context.drop('cache')
  if (tools.length === 0) {
    if (toolChoice && toolChoice.type !== 'auto' && toolChoice.type !== 'none')
      context.refuse('tool_choice', 'the request has no tools to choose from. Add the tools or leave tool_choice out.')
    return {}
  }
  return definedOnly({
    tools: tools.map(({ cache: _, ...tool }) => ({ type: 'function', function: { ...tool } })),
    tool_choice: toolChoice && writeToolChoice(toolChoice),
    parallel_tool_calls: parallelToolCalls,
  })
}

function writeToolChoice(choice: ToolChoice): string | JsonObject {
  const named = (name: string) => ({ type: 'function', function: { name } })
  switch (choice.type) {
    case 'tool':
      return named(choice.name)
    case 'allowed':
      return { type: 'allowed_tools', allowed_tools: { mode: choice.mode, tools: choice.names.map(named) } }
    default:
      return choice.type
  }
}
