import type { Conversation, JsonObject, Tool, ToolChoice } from '../../conversation.ts'
import { invalid } from '../../errors.ts'
import {
  at,
  booleanField,
  definedOnly,
  listField,
  objectField,
  objectList,
  requiredText,
  textField,
  unsupported,
} from '../../fields.ts'
import { readCache } from './read-content.ts'

/**
 * Reads `tools`. Only the client's own can go to another provider.
 * @throws {ApiError} 400 naming `tools[i].type` for the tools that Anthropic runs or defines
 */
export function readTools(body: JsonObject): Tool[] {
  return objectList(body, 'tools').map(([tool, path]) => {
    const type = textField(tool, 'type', path) ?? 'custom'
    if (type !== 'custom')
      throw unsupported(
        at(path, 'type'),
        `${at(path, 'type')}: the provider behind this model has no tool ${type.slice(0, 60)}, only those that the client defines. Leave the tool out or choose a model of Anthropic's own.`,
      )
    refuseLateUse(tool, path)
    const parameters = objectField(tool, 'input_schema', path)
    if (parameters === undefined) throw invalid(at(path, 'input_schema'), `${at(path, 'input_schema')} is required.`)
    return definedOnly<Tool>({
      name: requiredText(tool, 'name', path),
      description: textField(tool, 'description', path),
      parameters,
      strict: booleanField(tool, 'strict', path),
      cache: readCache(tool, path),
    })
  })
}

/** Tools that the model would not see at first, or only call from code that Anthropic runs. */
function refuseLateUse(tool: JsonObject, path: string): void {
  if (booleanField(tool, 'defer_loading', path))
    throw unsupported(
      at(path, 'defer_loading'),
      `${at(path, 'defer_loading')}: the provider behind this model cannot load tools later. Leave it out.`,
    )
  const callers = listField(tool, 'allowed_callers', path)
  if (callers && !callers.includes('direct'))
    throw unsupported(
      at(path, 'allowed_callers'),
      `${at(path, 'allowed_callers')}: with the provider behind this model only the model itself calls tools. Allow direct.`,
    )
}

/** Reads `tool_choice` and what it says of parallel calls. */
export function readToolChoice(body: JsonObject): Pick<Conversation, 'toolChoice' | 'parallelToolCalls'> {
  const choice = objectField(body, 'tool_choice')
  if (choice === undefined) return {}
  const single = booleanField(choice, 'disable_parallel_tool_use', 'tool_choice')
  return { toolChoice: choiceOf(choice), ...(single && { parallelToolCalls: false }) }
}

function choiceOf(choice: JsonObject): ToolChoice {
  const type = requiredText(choice, 'type', 'tool_choice')
  switch (type) {
    case 'auto':
    case 'none':
      return { type }
    case 'any':
      return { type: 'required' }
    case 'tool':
      return { type, name: requiredText(choice, 'name', 'tool_choice') }
    default:
      throw invalid('tool_choice.type', 'tool_choice.type must be one of auto, any, tool, none.')
  }
}
