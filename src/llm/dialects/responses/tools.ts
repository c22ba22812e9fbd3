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
import { meetsStrictRules } from './strict.ts'

/**
 * Reads `tools`. Only functions can go to another provider.
 * @throws {ApiError} 400 naming `tools[i].type` for the tools that OpenAI runs itself or that only it knows.
 */
export function readTools(body: JsonObject): Tool[] {
  return objectList(body, 'tools').map(([tool, path]) => {
    const type = requiredText(tool, 'type', path)
    if (type !== 'function')
      throw unsupported(
        at(path, 'type'),
        `the provider behind this model has no tools of type ${type}, only functions. Leave the tool out or choose a model of OpenAI's own.`,
      )
    if (booleanField(tool, 'defer_loading', path))
      throw unsupported(
        at(path, 'defer_loading'),
        'the provider behind this model cannot load tools later. Leave defer_loading out.',
      )
    return readFunction(tool, path)
  })
}

/**
 * Where a client does not say, Responses makes a function strict if its schema allows (the guide to function calling,
 * "Strict mode"). A schema that strict mode would refuse stays loose, for other providers would refuse it as well.
 */
function readFunction(tool: JsonObject, path: string): Tool {
  const parameters = objectField(tool, 'parameters', path)
  const strict = booleanField(tool, 'strict', path) ?? (meetsStrictRules(parameters) || undefined)
  return definedOnly<Tool>({
    name: requiredText(tool, 'name', path),
    description: textField(tool, 'description', path),
    parameters,
    strict,
  })
}

/** @throws {ApiError} 400 where it names anything but functions. */
export function readToolChoice(body: JsonObject): ToolChoice | undefined {
  const choice = body.tool_choice ?? undefined
  if (choice === undefined) return undefined
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { type: choice }
  if (!isObject(choice))
    throw invalid('tool_choice', 'tool_choice must be auto, none, required, or an object that names tools.')
  const type = requiredText(choice, 'type', 'tool_choice')
  if (type === 'function') return { type: 'tool', name: requiredText(choice, 'name', 'tool_choice') }
  if (type !== 'allowed_tools') throw foreignChoice('tool_choice.type', type)
  const names = objectList(choice, 'tools', 'tool_choice').map(([tool, path]) => {
    const kind = requiredText(tool, 'type', path)
    if (kind !== 'function') throw foreignChoice(at(path, 'type'), kind)
    return requiredText(tool, 'name', path)
  })
  return { type: 'allowed', mode: wordField(choice, 'mode', ['auto', 'required'], 'tool_choice') ?? 'auto', names }
}

function foreignChoice(path: string, type: string) {
  return unsupported(path, `the provider behind this model has no tools of type ${type}. Choose among functions only.`)
}

/** Tools of a request and the choice among them; empty where there are none. */
export function writeTools(conversation: Conversation, context: RequestContext): JsonObject {
  const { tools, toolChoice, parallelToolCalls } = conversation
  if (tools.length === 0) {
    if (toolChoice && toolChoice.type !== 'auto' && toolChoice.type !== 'none')
      context.refuse('tool_choice', 'the request has no tools to choose from. Add the tools or leave tool_choice out.')
    return {}
  }
  return definedOnly({
    tools: tools.map(writeFunction),
    tool_choice: toolChoice && writeToolChoice(toolChoice),
    parallel_tool_calls: parallelToolCalls,
  })
}

/** A function without parameters, in the form that strict mode takes as well. */
const noParameters: JsonObject = { type: 'object', properties: {}, required: [], additionalProperties: false }

/** `strict` is always said: left out, this API would make strict what other APIs leave loose. */
function writeFunction({ name, description, parameters = noParameters, strict = false }: Tool): JsonObject {
  return definedOnly({ type: 'function', name, description, parameters, strict })
}

function writeToolChoice(choice: ToolChoice): string | JsonObject {
  switch (choice.type) {
    case 'tool':
      return { type: 'function', name: choice.name }
    case 'allowed':
      return {
        type: 'allowed_tools',
        mode: choice.mode,
        tools: choice.names.map((name) => ({ type: 'function', name })),
      }
    default:
      return choice.type
  }
}
