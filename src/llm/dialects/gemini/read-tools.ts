import type { Conversation, JsonObject, Tool, ToolChoice } from '../../conversation.ts'
import { invalid } from '../../errors.ts'
import {
  at,
  definedOnly,
  isObject,
  listField,
  objectField,
  objectList,
  requiredText,
  textField,
  unsupported,
  wordField,
} from '../../fields.ts'
import { meetsStrictRules } from '../responses/strict.ts'
import { readSchema } from './schema.ts'
import { camelFields, camelValue } from './spelling.ts'

/**
 * Reads `tools` and `toolConfig`. Only functions can go to another provider.
 * @throws {ApiError} 400 naming `tools[i].googleSearch` for the tools that Google runs
 */
export function readTools(body: JsonObject): Pick<Conversation, 'tools' | 'toolChoice'> {
  const config = callingConfig(body)
  const tools = objectList(body, 'tools').flatMap(([tool, path]) => readTool(camelFields(tool), path, config.validated))
  return { tools, ...(config.choice && { toolChoice: config.choice }) }
}

function readTool(tool: JsonObject, path: string, strict: boolean): Tool[] {
  const foreign = Object.keys(tool).find(
    (key) => key !== 'functionDeclarations' && (tool[key] ?? undefined) !== undefined,
  )
  if (foreign !== undefined)
    throw unsupported(
      at(path, foreign),
      `${at(path, foreign)}: the provider behind this model has no tools of Google's, only functionDeclarations. Leave it out or choose a Gemini model.`,
    )
  return objectList(tool, 'functionDeclarations', path).map(([declaration, place]) =>
    readFunction(camelFields(declaration), place, strict),
  )
}

/** `response` and `responseJsonSchema`, which describe what the function gives, have no place in other APIs. */
function readFunction(declaration: JsonObject, path: string, strict: boolean): Tool {
  const parameters = readParameters(declaration, path)
  return definedOnly<Tool>({
    name: requiredText(declaration, 'name', path),
    description: textField(declaration, 'description', path),
    parameters,
    strict: (strict && meetsStrictRules(parameters)) || undefined,
  })
}

function readParameters(declaration: JsonObject, path: string): JsonObject | undefined {
  const schema = objectField(declaration, 'parameters', path)
  if (schema) return readSchema(schema, at(path, 'parameters'))
  return objectField(declaration, 'parametersJsonSchema', path)
}

const modes = ['MODE_UNSPECIFIED', 'AUTO', 'ANY', 'NONE', 'VALIDATED'] as const

/**
 * Reads `toolConfig.functionCallingConfig`. VALIDATED is AUTO with calls held to their schemas: strict functions,
 * where their schemas are as strict functions want them.
 */
function callingConfig(body: JsonObject): { choice?: ToolChoice; validated: boolean } {
  const path = 'toolConfig.functionCallingConfig'
  const tool = camelValue(objectField(body, 'toolConfig'))
  const field = isObject(tool) ? objectField(tool, 'functionCallingConfig', 'toolConfig') : undefined
  if (field === undefined) return { validated: false }
  const config = camelFields(field)
  const mode = wordField(config, 'mode', modes, path)
  const names = listField(config, 'allowedFunctionNames', path)?.map((name, index) => {
    if (typeof name === 'string') return name
    const place = `${path}.allowedFunctionNames[${index}]`
    throw invalid(place, `${place} must be a string.`)
  })
  const choice = choiceOf(mode, names ?? [])
  return { ...(choice && { choice }), validated: mode === 'VALIDATED' }
}

function choiceOf(mode: (typeof modes)[number] | undefined, names: string[]): ToolChoice | undefined {
  switch (mode) {
    case 'NONE':
      return { type: 'none' }
    case 'ANY':
      if (names.length === 0) return { type: 'required' }
      return names.length === 1 ? { type: 'tool', name: names[0]! } : { type: 'allowed', mode: 'required', names }
    case 'AUTO':
    case 'VALIDATED':
      return names.length === 0 ? { type: 'auto' } : { type: 'allowed', mode: 'auto', names }
    default:
      return undefined
  }
}
