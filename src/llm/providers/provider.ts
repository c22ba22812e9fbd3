import type { ProviderType } from '../../config/schema.ts'
import type { DialectName, JsonObject } from '../conversation.ts'
import type { Quirks } from '../dialect.ts'

/** What a client asked for, named for the endpoint it called. */
export type Operation = 'chat' | 'completions' | 'messages' | 'responses' | 'embeddings' | 'count_tokens'

/** How an operation is carried out at a provider. */
export interface Route {
  /** The wire format to speak there. `embeddings`/`count_tokens` say whose form of that operation. */
  dialect: DialectName
  /** Path with query, base path included: `/v1/chat/completions`, `/model/ID/converse`. */
  path: string
}

/** One request about to leave, before credentials. Header names are lower case. */
export interface OutgoingRequest {
  method: 'POST'
  scheme: 'http' | 'https'
  /** Host and, where not the scheme's default, port. */
  authority: string
  path: string
  headers: Record<string, string>
  body: Uint8Array
}

/**
 * A provider as the rules configured it. All that is the same for every request (paths, authority, quirks) is
 * computed when the rules are compiled; credentials are read when a request is authorized, so that they rotate.
 */
export interface Provider {
  /** The name in the rules. */
  readonly name: string
  readonly type: ProviderType
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly port: number
  /** The `:authority` to send. */
  readonly authority: string
  readonly quirks: Quirks
  /**
   * Where an operation goes for this model, or undefined where the provider has no such thing (then the request is
   * refused before any attempt). Prefers the client's own wire format where the provider speaks it.
   * @param model the model's name at the provider
   */
  route(operation: Operation, model: string, stream: boolean): Route | undefined
  /**
   * What this address wants changed in a body of its dialect (Vertex's Claude: no `model`, an `anthropic_version`).
   * Absent: nothing. Must not change its argument.
   */
  shape?(body: JsonObject, route: Route): JsonObject
  /**
   * Adds credentials (and headers such as anthropic-version) to `request.headers`. A provider with a key at hand does
   * it at once; one that signs or fetches a token gives a promise.
   * @param client the client's headers that may matter: anthropic-version, anthropic-beta, openai-beta
   * @throws {CredentialError} where there is none; the message names the reference, never a value.
   */
  authorize(request: OutgoingRequest, client: Readonly<Record<string, string | undefined>>): void | Promise<void>
}

/** No usable credential for a provider. `message` is for the operator. */
export class CredentialError extends Error {
  override readonly name = 'CredentialError'
}

/** Every request header that may carry a credential: all are removed before each attempt. */
export const credentialHeaders: readonly string[] = [
  'authorization',
  'proxy-authorization',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'x-goog-user-project',
  'x-amz-date',
  'x-amz-security-token',
  'x-amz-content-sha256',
  'openai-organization',
  'openai-project',
  'cookie',
]
