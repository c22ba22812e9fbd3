import { isObject } from '../../json.ts'
import type { Upstream } from '../../protocol.ts'
import { ServerError, ServerUnavailable } from '../errors.ts'
import { errorCode, type JsonObject, modernVersion } from '../protocol.ts'
import { type Egress, type EgressResponse, readAll } from '../server/egress.ts'
import type { CallHooks, ClientSide, Link, ServerInfo } from '../server/link.ts'
import { ArgumentsError } from './arguments-error.ts'
import { requestOf } from './call.ts'
import type { OpenApiTool, OpenApiTools } from './tools.ts'

/** The longest answer of an API that becomes a result, bytes. */
const longestAnswer = 8 * 1024 * 1024
const unknownMethod = () => new ServerError({ code: errorCode.methodNotFound, message: 'Method not found' })

/** A REST API as an MCP server: its operations are tools, and calls of them requests to it, through Envoy. */
export class OpenApiLink implements Link {
  readonly info: ServerInfo
  readonly #name: string
  readonly #api: OpenApiTools
  readonly #byName: ReadonlyMap<string, OpenApiTool>
  readonly #upstream: Upstream
  readonly #base: string
  readonly #egress: Egress
  readonly #client: ClientSide

  /** @param base the path of the API's URL, without a slash at its end */
  constructor(name: string, api: OpenApiTools, upstream: Upstream, base: string, egress: Egress, client: ClientSide) {
    this.#name = name
    this.#api = api
    this.#byName = new Map(api.tools.map((tool) => [tool.definition.name, tool]))
    this.#upstream = upstream
    this.#base = base
    this.#egress = egress
    this.#client = client
    this.info = {
      era: 'modern',
      version: modernVersion,
      capabilities: { tools: {} },
      serverInfo: { name: api.title, version: api.version },
      ...(api.description !== undefined && { instructions: api.description }),
    }
  }

  async request(method: string, params: JsonObject, hooks: CallHooks): Promise<JsonObject> {
    if (method === 'tools/list')
      return { tools: this.#api.tools.map(({ definition }) => definition), ttlMs: 0, cacheScope: 'private' }
    if (method !== 'tools/call') throw unknownMethod()
    const tool = this.#byName.get(String(params.name))
    if (!tool) throw new ServerError({ code: errorCode.invalidParams, message: 'Unknown tool' })
    try {
      return await this.#call(tool, isObject(params.arguments) ? params.arguments : {}, hooks.signal)
    } catch (error) {
      // A model can mend its arguments: they are the tool's failure, not the protocol's.
      if (error instanceof ArgumentsError) return { content: [{ type: 'text', text: error.message }], isError: true }
      throw error
    }
  }

  async notify(): Promise<void> {
    // There is nobody to tell.
  }

  async listen(): Promise<void> {
    // It never says anything by itself.
  }

  async #call(tool: OpenApiTool, args: JsonObject, signal: AbortSignal): Promise<JsonObject> {
    const { method, path, headers, body } = requestOf(tool, args)
    let response: EgressResponse
    let bytes: Uint8Array
    try {
      const all = [...headers, ...this.#client.headers]
      const { query = [] } = this.#client
      const more = query.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&')
      const whole = more === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${more}`
      response = await this.#egress.request(this.#upstream, method, this.#base + whole, all, body, signal)
      bytes = await readAll(response.body, longestAnswer)
    } catch (error) {
      if (signal.aborted) throw signal.reason
      throw new ServerUnavailable(
        this.#name,
        `The API ${this.#name} cannot be reached, or its answer broke off or is too long.`,
        error,
      )
    }
    return resultOf(response.status, String(response.headers['content-type'] ?? ''), bytes)
  }
}

/** What an API's answer is as a tool's result (schema: CallToolResult). */
export function resultOf(status: number, type: string, bytes: Uint8Array): JsonObject {
  const failed = status >= 400
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const said = failed ? [{ type: 'text', text: `HTTP ${status}` }] : []
  const result = (content: object[], more: JsonObject = {}): JsonObject => ({
    content: content.length > 0 ? [...said, ...content] : [{ type: 'text', text: `HTTP ${status}` }],
    ...more,
    ...(failed && { isError: true }),
  })
  if (bytes.length === 0) return result([])
  const mimeType = type.split(';')[0]!.trim().toLowerCase()
  if (/^image\/|^audio\//.test(mimeType))
    return result([{ type: mimeType.split('/')[0]!, data: buffer.toString('base64'), mimeType }])
  if (/[/+]json$/.test(mimeType)) {
    const text = buffer.toString('utf8')
    try {
      const value: unknown = JSON.parse(text)
      return result([{ type: 'text', text }], isObject(value) && !failed ? { structuredContent: value } : {})
    } catch {
      return result([{ type: 'text', text }])
    }
  }
  if (mimeType === '' || /^text\/|[/+](?:xml|yaml|javascript|x-www-form-urlencoded)$/.test(mimeType))
    return result([{ type: 'text', text: buffer.toString('utf8') }])
  return result([{ type: 'resource', resource: { uri: 'openapi:answer', mimeType, blob: buffer.toString('base64') } }])
}
