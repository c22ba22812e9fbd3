import type { McpServerRuleOf } from '../../config/mcp.ts'
import { isObject } from '../../json.ts'
import type { JsonObject, Tool } from '../protocol.ts'
import { OpenApiDocument } from './document.ts'
import { fileSchema, type PartTypes } from './multipart.ts'
import { SchemaWriter } from './schema.ts'

const methods = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options'] as const
const mostOperations = 2000
const longestDescription = 4096
/** What arguments cannot set, whatever the document says: they are the gateway's and HTTP's own. */
const ownHeaders =
  /^(?:host|authorization|proxy-.*|connection|content-length|content-type|transfer-encoding|te|trailer|upgrade|accept|cookie|x-forwarded-.*|x-chaperone-.*|x-envoy-.*)$/i

const cookieName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/

/** Where an argument goes. */
export interface Parameter {
  /** The argument's name. */
  readonly argument: string
  readonly name: string
  readonly in: 'path' | 'query' | 'header' | 'cookie'
  readonly required: boolean
  readonly style: string
  readonly explode: boolean
  /** Its value is JSON in itself. */
  readonly json: boolean
}

/** An operation as a tool. */
export interface OpenApiTool {
  readonly definition: Tool
  /** `GET /pets/{id}`. */
  readonly operation: string
  readonly method: Uppercase<(typeof methods)[number]>
  /** The path with its templates. */
  readonly path: string
  readonly parameters: readonly Parameter[]
  /** The argument that is the body, and how it is written. */
  readonly body:
    | {
        readonly argument: string
        readonly type: 'json' | 'form' | 'multipart' | 'text' | 'binary'
        readonly mediaType: string
        readonly required: boolean
        /** Of `multipart`: the fields that are files, and how parts are written that say so. */
        readonly files: ReadonlySet<string>
        readonly types: PartTypes
      }
    | undefined
}

export interface OpenApiTools {
  /** Where the API lives: the first of its servers; undefined where it is not a whole URL. */
  readonly baseUrl: string | undefined
  readonly title: string
  readonly version: string
  readonly description: string | undefined
  readonly tools: readonly OpenApiTool[]
  /** Operations that are no tools, and why. */
  readonly left: readonly string[]
}

/**
 * The operations of a document (OpenAPI 3.0 to 3.2) as tools, in its order.
 * @param name the file's, for messages
 * @throws {DocumentError} where the document cannot be used, or the rules name an operation that it does not have
 */
export function toolsOf(text: string, rule: McpServerRuleOf<'openapi'>, name: string): OpenApiTools {
  const document = new OpenApiDocument(text, name)
  const { root } = document
  const info = isObject(root.info) ? root.info : {}
  const tools: OpenApiTool[] = []
  const left: string[] = []
  const names = new Set<string>()
  const unknown = new Set(Object.keys(rule.operations))
  for (const [path, value] of Object.entries(root.paths as JsonObject)) {
    const item = document.object(value, `paths.${path}`)
    if (!item) continue
    for (const method of methods) {
      const operation = document.object(item[method], `paths.${path}.${method}`)
      if (!operation) continue
      const title = `${method.toUpperCase()} ${path}`
      const id = typeof operation.operationId === 'string' ? operation.operationId : undefined
      unknown.delete(title)
      if (id !== undefined) unknown.delete(id)
      const more = (id !== undefined ? rule.operations[id] : undefined) ?? rule.operations[title]
      if (more?.hide) continue
      if (tools.length >= mostOperations) throw document.error('paths', `has more than ${mostOperations} operations`)
      try {
        const tool = toolOf(document, path, method, item, operation, more?.name ?? nameOf(id ?? title), more)
        if (names.has(tool.definition.name)) {
          left.push(`${title}: another operation has the name ${tool.definition.name}`)
          continue
        }
        names.add(tool.definition.name)
        tools.push(tool)
      } catch (error) {
        left.push(`${title}: ${(error as Error).message}`)
      }
    }
  }
  const [missing] = unknown
  if (missing !== undefined)
    throw document.error(
      '',
      `has no operation ${missing}, which the rules name; write its operationId, or METHOD /path`,
    )
  return {
    baseUrl: serverOf(root),
    title: typeof info.title === 'string' ? info.title.slice(0, 200) : name,
    version: typeof info.version === 'string' ? info.version.slice(0, 50) : '0',
    description: typeof info.description === 'string' ? info.description.slice(0, longestDescription) : undefined,
    tools,
    left,
  }
}

type Operations = McpServerRuleOf<'openapi'>['operations'][string]

function toolOf(
  document: OpenApiDocument,
  path: string,
  method: (typeof methods)[number],
  item: JsonObject,
  operation: JsonObject,
  name: string,
  more: Operations | undefined,
): OpenApiTool {
  const where = `paths.${path}.${method}`
  const writer = new SchemaWriter(document)
  const properties: JsonObject = {}
  const required: string[] = []
  const parameters: Parameter[] = []
  const add = (argument: string, schema: JsonObject, description: unknown, isRequired: boolean) => {
    properties[argument] =
      typeof description === 'string' && schema.description === undefined && schema.$ref === undefined
        ? { ...schema, description: description.slice(0, longestDescription) }
        : schema
    if (isRequired) required.push(argument)
  }
  for (const each of parametersOf(document, item, operation, where)) {
    const place = each.in
    const own = String(each.name)
    if ((place === 'header' && ownHeaders.test(own)) || (place === 'cookie' && !cookieName.test(own))) {
      if (each.required === true) throw new Error(`the parameter ${own} cannot be an argument`)
      continue
    }
    if (place !== 'path' && place !== 'query' && place !== 'header' && place !== 'cookie') continue
    const [mediaType, media] = isObject(each.content) ? (Object.entries(each.content)[0] ?? []) : []
    const schema = writer.write(isObject(media) ? media.schema : each.schema, `${where}.${own}`)
    // The same name in two places is two arguments.
    const argument = Object.hasOwn(properties, own) ? `${own}_${place}` : own
    const style =
      typeof each.style === 'string' ? each.style : place === 'query' || place === 'cookie' ? 'form' : 'simple'
    parameters.push({
      argument,
      name: own,
      in: place,
      required: place === 'path' || each.required === true,
      style,
      explode: typeof each.explode === 'boolean' ? each.explode : style === 'form',
      json: mediaType !== undefined,
    })
    add(argument, schema, each.description, place === 'path' || each.required === true)
  }
  const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, parameter]) => parameter!)
  for (const parameter of inPath)
    if (!parameters.some((each) => each.in === 'path' && each.name === parameter))
      throw new Error(`the path's {${parameter}} is no parameter`)
  const body = bodyOf(document, writer, operation, where, properties)
  if (body) add(body.argument, body.schema, body.description, body.required)
  const readOnly = more?.readOnly ?? (method === 'get' || method === 'head' || method === 'options')
  const summary = typeof operation.summary === 'string' ? operation.summary : undefined
  const description =
    more?.description ?? [summary, operation.description].filter((part) => typeof part === 'string').join('\n\n')
  return {
    definition: {
      name,
      ...(summary !== undefined && { title: summary.slice(0, 200) }),
      description: (description || `${method.toUpperCase()} ${path}`).slice(0, longestDescription),
      inputSchema: writer.withDefinitions({
        type: 'object',
        properties,
        ...(required.length > 0 && { required }),
        additionalProperties: false,
      }),
      annotations: {
        readOnlyHint: readOnly,
        destructiveHint: more?.destructive ?? (!readOnly && method === 'delete'),
        idempotentHint: more?.idempotent ?? ['get', 'head', 'put', 'delete', 'options'].includes(method),
        openWorldHint: true,
      },
    },
    operation: `${method.toUpperCase()} ${path}`,
    method: method.toUpperCase() as OpenApiTool['method'],
    path,
    parameters,
    body: body && {
      argument: body.argument,
      type: body.type,
      mediaType: body.mediaType,
      required: body.required,
      files: body.files,
      types: body.types,
    },
  }
}

/** An operation's parameters, its own before those of its path. */
function parametersOf(document: OpenApiDocument, item: JsonObject, operation: JsonObject, where: string): JsonObject[] {
  const found = new Map<string, JsonObject>()
  for (const list of [operation.parameters, item.parameters])
    for (const each of Array.isArray(list) ? list : []) {
      const parameter = document.object(each, `${where}.parameters`)
      if (!parameter || typeof parameter.name !== 'string') continue
      const key = `${String(parameter.in)} ${parameter.name}`
      if (!found.has(key)) found.set(key, parameter)
    }
  return [...found.values()]
}

function bodyOf(
  document: OpenApiDocument,
  writer: SchemaWriter,
  operation: JsonObject,
  where: string,
  taken: JsonObject,
) {
  const body = document.object(operation.requestBody, `${where}.requestBody`)
  if (!body || !isObject(body.content)) return undefined
  const kinds = [
    ['json', /^application\/(?:[\w.+-]*\+)?json\b/i],
    ['form', /^application\/x-www-form-urlencoded\b/i],
    ['multipart', /^multipart\/form-data\b/i],
    ['text', /^text\//i],
    ['binary', /^(?:application\/(?:octet-stream|pdf|zip|gzip|x-tar)|image\/|audio\/|video\/)/i],
  ] as const
  for (const [type, pattern] of kinds)
    for (const [mediaType, media] of Object.entries(body.content)) {
      if (!pattern.test(mediaType)) continue
      const argument = Object.hasOwn(taken, 'body') ? 'request_body' : 'body'
      const { description } = body
      const own = isObject(media) ? media : {}
      const form = type === 'multipart' ? formOf(document, writer, own, `${where}.requestBody`) : undefined
      const schema =
        form?.schema ??
        (type === 'text'
          ? { type: 'string' }
          : type === 'binary'
            ? { type: 'string', contentEncoding: 'base64', contentMediaType: mediaType }
            : writer.write(own.schema ?? {}, `${where}.requestBody`))
      const { files = new Set<string>(), types = {} } = form ?? {}
      return { argument, type, mediaType, schema, description, required: body.required === true, files, types }
    }
  if (body.required === true) throw new Error(`its body can only be ${Object.keys(body.content).join(', ')}`)
  return undefined
}

/** A form with files: what a field is, bytes or text, is in its own schema (OpenAPI 3.0: `format`; 3.1: the content keywords). */
function formOf(document: OpenApiDocument, writer: SchemaWriter, media: JsonObject, where: string) {
  const schema = document.object(media.schema, where) ?? {}
  const files = new Set<string>()
  const types: Record<string, string> = {}
  const properties: JsonObject = {}
  for (const [name, value] of Object.entries(isObject(schema.properties) ? schema.properties : {})) {
    const property = document.object(value, `${where}.${name}`)
    const items = document.object(property?.items, `${where}.${name}.items`)
    if (property && isFile(property)) properties[name] = fileSchema
    else if (items && isFile(items)) properties[name] = { type: 'array', items: fileSchema }
    else {
      properties[name] = writer.write(value, `${where}.${name}`)
      continue
    }
    files.add(name)
  }
  for (const [name, encoding] of Object.entries(isObject(media.encoding) ? media.encoding : {}))
    if (
      isObject(encoding) &&
      typeof encoding.contentType === 'string' &&
      /^[\w.+-]+\/[\w.+-]+$/.test(encoding.contentType)
    )
      types[name] = encoding.contentType
  const required = Array.isArray(schema.required)
    ? schema.required.filter((name) => Object.hasOwn(properties, name))
    : []
  return {
    files,
    types,
    schema: { type: 'object', properties, ...(required.length > 0 && { required }) } as JsonObject,
  }
}

function isFile({ type, format, contentEncoding, contentMediaType }: JsonObject): boolean {
  if (format === 'binary' || format === 'byte') return true
  return (
    typeof contentMediaType === 'string' &&
    !/^text\/|json$/.test(contentMediaType) &&
    (type === undefined || type === 'string' || contentEncoding !== undefined)
  )
}

/** A tool's name out of an operationId, or out of `GET /pets/{id}`. */
function nameOf(text: string): string {
  return (
    text
      .replace(/^([A-Z]+) /, (_, method: string) => `${method.toLowerCase()}_`)
      .replace(/[^a-zA-Z0-9_-]+/g, '_')
      .replace(/_{2,}/g, '_')
      .replace(/^_|_$/g, '')
      .slice(0, 64) || 'operation'
  )
}

function serverOf({ servers }: JsonObject): string | undefined {
  const [first] = Array.isArray(servers) ? servers : []
  if (!isObject(first) || typeof first.url !== 'string') return undefined
  const variables = isObject(first.variables) ? first.variables : {}
  const url = first.url.replace(/\{([^}]+)\}/g, (_, name: string) => {
    const variable = variables[name]
    return isObject(variable) && typeof variable.default === 'string' ? variable.default : ''
  })
  return /^https?:\/\/./.test(url) && URL.canParse(url) ? url : undefined
}
