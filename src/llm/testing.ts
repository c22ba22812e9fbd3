import { type Rules, rulesSchema } from '../config/schema.ts'
import type { AgentRequest } from '../protocol.ts'
import { type ClientRequest, modelName, ParsedRequest, readBody } from './client-request.ts'
import type { JsonObject } from './conversation.ts'
import { endpointOf } from './endpoints.ts'
import { createProvider } from './providers/index.ts'
import type { Provider, Secrets } from './providers/provider.ts'

/** Helpers that the tests of this folder share. */

/** Secrets whose value tells which reference was resolved: `${env:KEY}` is `secret-KEY`. */
export const secrets: Secrets = { resolve: (reference) => `secret-${/env:(\w+)/.exec(reference)?.[1]}` }

/** Rules as the schema fills them in. */
export function rulesOf(rules: { providers?: object; models?: object; aliases?: object }): Rules {
  return rulesSchema.parse({ providers: {}, models: {}, ...rules })
}

/** A provider of the name `p`, from its rule. */
export function providerOf(rule: { type: string } & JsonObject): Provider {
  return createProvider('p', rulesOf({ providers: { p: rule } }).providers.p!, secrets)
}

/** A POST as it reaches stage 1. */
export function agentRequest(
  path: string,
  body: JsonObject | string,
  headers: Record<string, string> = {},
): AgentRequest {
  return {
    id: '01234567-89ab-cdef-0123-456789abcdef',
    method: 'POST',
    path,
    headers: new Map(Object.entries(headers)),
    port: 0,
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    arrived: performance.now(),
  }
}

/** A client's call, read. A text as body stands as it is. */
export function clientRequest(
  path: string,
  body: JsonObject | string,
  headers?: Record<string, string>,
): ClientRequest {
  const request = agentRequest(path, body, headers)
  const call = endpointOf('POST', path, false)
  if (call.type !== 'call') throw new Error(`${path} is no call`)
  const json = readBody(request)
  return new ParsedRequest(call, modelName(call, json), request, json)
}
