import { isObject } from '../../json.ts'
import type { JsonObject } from '../protocol.ts'
import { ArgumentsError } from './arguments-error.ts'
import { bytesOf, multipart } from './multipart.ts'
import type { OpenApiTool, Parameter } from './tools.ts'

/** An HTTP request that a tool's call means. */
export interface HttpCall {
  readonly method: OpenApiTool['method']
  /** With the query; behind the base URL's path. */
  readonly path: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string | Uint8Array | null
}

/**
 * Writes the request of a call (OpenAPI 3.1, Parameter Object, style values).
 * @throws {ArgumentsError}
 */
export function requestOf(tool: OpenApiTool, args: JsonObject): HttpCall {
  const known = new Set(tool.parameters.map(({ argument }) => argument))
  if (tool.body) known.add(tool.body.argument)
  for (const name of Object.keys(args))
    if (!known.has(name)) throw new ArgumentsError(`There is no argument ${JSON.stringify(name.slice(0, 100))}.`)
  const query: string[] = []
  const headers: [string, string][] = []
  const cookies: string[] = []
  const inPath = new Map<string, string>()
  for (const parameter of tool.parameters) {
    const value = args[parameter.argument]
    if (value === undefined || value === null) {
      if (parameter.required) throw new ArgumentsError(`The argument ${JSON.stringify(parameter.argument)} is missing.`)
      continue
    }
    if (parameter.in === 'path') inPath.set(parameter.name, pathValue(parameter, value))
    else if (parameter.in === 'query') query.push(...queryPairs(parameter, value))
    else if (parameter.in === 'cookie') cookies.push(...queryPairs(parameter, value))
    else headers.push([parameter.name.toLowerCase(), headerValue(parameter, value)])
  }
  const path = tool.path.replace(/\{([^}]+)\}/g, (_, name: string) => inPath.get(name)!)
  if (cookies.length > 0) headers.push(['cookie', cookies.join('; ')])
  const { body, contentType } = bodyOf(tool, args)
  if (contentType !== undefined) headers.push(['content-type', contentType])
  headers.push(['accept', 'application/json, */*;q=0.5'])
  return { method: tool.method, path: query.length > 0 ? `${path}?${query.join('&')}` : path, headers, body }
}

/** A request's body, and what it is. */
interface Body {
  readonly body: string | Uint8Array | null
  readonly contentType?: string
}

function bodyOf({ body }: OpenApiTool, args: JsonObject): Body {
  if (!body) return { body: null }
  const { mediaType: contentType } = body
  const value = args[body.argument]
  if (value === undefined) {
    if (body.required) throw new ArgumentsError(`The argument ${JSON.stringify(body.argument)} is missing.`)
    return { body: null }
  }
  const mustBeObject = (): JsonObject => {
    if (!isObject(value)) throw new ArgumentsError(`The argument ${JSON.stringify(body.argument)} must be an object.`)
    return value
  }
  switch (body.type) {
    case 'json':
      return { body: JSON.stringify(value), contentType }
    case 'multipart':
      return multipart(mustBeObject(), body.files, body.types)
    case 'binary':
      return { body: bytesOf(body.argument, value), contentType }
    case 'text':
      if (typeof value !== 'string')
        throw new ArgumentsError(`The argument ${JSON.stringify(body.argument)} must be a string.`)
      return { body: value, contentType }
    case 'form': {
      const form = new URLSearchParams()
      for (const [name, each] of Object.entries(mustBeObject()))
        for (const item of Array.isArray(each) ? each : [each]) form.append(name, plain(item, name))
      return { body: form.toString(), contentType }
    }
  }
}

/** A value can never leave its segment: what could end it, or lead out of it, is encoded or refused. */
function pathValue(parameter: Parameter, value: unknown): string {
  const parts = listOf(parameter, value).map(encode)
  const text =
    parameter.style === 'label'
      ? `.${parts.join(parameter.explode ? '.' : ',')}`
      : parameter.style === 'matrix'
        ? parameter.explode && Array.isArray(value)
          ? parts.map((part) => `;${encode(parameter.name)}=${part}`).join('')
          : `;${encode(parameter.name)}=${parts.join(',')}`
        : parts.join(',')
  if (text === '' || /^\.{1,2}$/.test(text))
    throw new ArgumentsError(`The argument ${JSON.stringify(parameter.argument)} cannot be ${JSON.stringify(text)}.`)
  return text
}

function queryPairs(parameter: Parameter, value: unknown): string[] {
  const { name, style, explode, json } = parameter
  const key = encode(name)
  if (json) return [`${key}=${encode(JSON.stringify(value))}`]
  if (isObject(value)) {
    const members = Object.entries(value).filter(([, each]) => each !== undefined && each !== null)
    if (style === 'deepObject')
      return members.map(([member, each]) => `${key}[${encode(member)}]=${encode(plain(each, name))}`)
    if (explode) return members.map(([member, each]) => `${encode(member)}=${encode(plain(each, name))}`)
    return [`${key}=${members.flatMap(([member, each]) => [encode(member), encode(plain(each, name))]).join(',')}`]
  }
  if (Array.isArray(value)) {
    const items = value.map((item) => encode(plain(item, name)))
    if (explode) return items.map((item) => `${key}=${item}`)
    const separator = style === 'spaceDelimited' ? '%20' : style === 'pipeDelimited' ? '%7C' : ','
    return [`${key}=${items.join(separator)}`]
  }
  return [`${key}=${encode(plain(value, name))}`]
}

function headerValue(parameter: Parameter, value: unknown): string {
  const text = parameter.json ? JSON.stringify(value) : listOf(parameter, value).join(',')
  if (!/^[\x20-\x7e\t]*$/.test(text))
    throw new ArgumentsError(`The argument ${JSON.stringify(parameter.argument)} must be plain ASCII in one line.`)
  return text.trim()
}

/** The parts of a value of the styles `simple`, `label` and `matrix`. */
function listOf({ argument, explode }: Parameter, value: unknown): string[] {
  if (Array.isArray(value)) return value.map((item) => plain(item, argument))
  if (isObject(value))
    return Object.entries(value).flatMap(([key, each]) =>
      explode ? [`${key}=${plain(each, argument)}`] : [key, plain(each, argument)],
    )
  return [plain(value, argument)]
}

function plain(value: unknown, name: string): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value)
  throw new ArgumentsError(
    `The argument ${JSON.stringify(name.slice(0, 100))} is nested deeper than its place can say.`,
  )
}

const encode = (text: string) =>
  // Half of a character is none.
  encodeURIComponent(
    text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd'),
  ).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
