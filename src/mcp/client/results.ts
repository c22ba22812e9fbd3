import { isObject } from '../../json.ts'
import { gatewayInfo } from '../endpoint.ts'
import { errorCode, type JsonObject, type JsonRpcErrorBody, meta } from '../protocol.ts'

/** What a result of one era looks like in the other (docs/mcp-eras.md has the table). */

const cacheable = [
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
]

/** For clients of 2026-07-28: the type of the result, who answered, and for how long it may be kept. */
export function modernResult(method: string, result: JsonObject, cacheMs: number): JsonObject {
  const { _meta, ...rest } = result
  const told = isObject(_meta) ? _meta : {}
  const complete = result.resultType === undefined || result.resultType === 'complete'
  return {
    resultType: 'complete',
    ...(complete && cacheable.includes(method) && { ttlMs: cacheMs, cacheScope: 'private' }),
    ...rest,
    _meta: { [meta.serverInfo]: gatewayInfo, ...told },
  }
}

/** For clients up to 2025-11-25. */
export function legacyResult(method: string, result: JsonObject): JsonObject {
  const { resultType: _, ttlMs: __, cacheScope: ___, ...rest } = result
  if (isObject(rest._meta) && meta.serverInfo in rest._meta) {
    const { [meta.serverInfo]: ____, ...others } = rest._meta
    if (Object.keys(others).length > 0) rest._meta = others
    else delete rest._meta
  }
  // Up to 2025-11-25 structured content is an object; the content has it as text as well.
  if (method === 'tools/call' && 'structuredContent' in rest && !isObject(rest.structuredContent))
    delete rest.structuredContent
  if (method === 'tools/list' && Array.isArray(rest.tools)) rest.tools = rest.tools.map(legacyTool)
  return rest
}

/** A tool whose output is no object has no output schema in the old era. */
function legacyTool(tool: unknown): unknown {
  if (!isObject(tool) || !isObject(tool.outputSchema) || tool.outputSchema.type === 'object') return tool
  const { outputSchema: _, ...rest } = tool
  return rest
}

/** An error of a server in the words of the client's era. */
export function errorFor(
  era: 'legacy' | 'modern',
  body: JsonRpcErrorBody,
  method: string,
  params: JsonObject,
): JsonRpcErrorBody {
  if (method !== 'resources/read') return body
  const { code, data = { uri: params.uri } } = body
  if (era === 'modern' && (code === errorCode.resourceNotFound || code === errorCode.invalidParams))
    return { ...body, code: errorCode.invalidParams, data }
  if (era === 'legacy' && code === errorCode.resourceNotFound) return { ...body, data }
  return body
}

/** The HTTP status of an error in the new era (2026-07-28, Streamable HTTP and General fields). */
export function statusOf({ code }: JsonRpcErrorBody): number {
  switch (code) {
    case errorCode.methodNotFound:
      return 404
    case errorCode.parse:
    case errorCode.invalidRequest:
    case errorCode.headerMismatch:
    case errorCode.missingClientCapability:
    case errorCode.unsupportedVersion:
      return 400
    default:
      return 200
  }
}
