import type { ProviderType } from '../../config/schema.ts'
import type { DialectName, JsonObject } from '../conversation.ts'
import type { Quirks } from '../dialect.ts'

/** What a client asked for, named for the endpoint it called. */
export type Operation =
  | 'chat'
  | 'completions'
  | 'messages'
  | 'responses'
  | 'generate_content'
  | 'embeddings'
  | 'count_tokens'

/** The forms of an embeddings request; each is read and written by src/llm/embeddings. */
export type EmbeddingApi =
  | 'openai-embeddings'
  | 'gemini-embeddings'
  | 'vertex-embeddings'
  | 'vertex-embed-content'
  | 'titan-embeddings'
  | 'cohere-embeddings'

/** How an operation is carried out at a provider. */
export interface Route {
  /** The wire format to speak there. `embeddings`/`count_tokens` say whose form of that operation. */
  dialect: DialectName | EmbeddingApi
  /** Path with query, base path included: `/v1/chat/completions`, `/model/ID/converse`. */
  path: string
  /** The operation this route was asked for. Every provider of this folder sets it. */
  operation?: Operation
  /** The model as the path names it, where the path does: `models/gemini-2.5-flash`, a Bedrock id without prefix. */
  model?: string
  /** Whether Provider.shape changes bodies here. Otherwise a body of the same dialect may go out byte for byte. */
  shaped?: boolean
}

/** The client's headers a provider may want to pass on: anthropic-version, anthropic-beta, openai-beta. */
/**
 * The client's headers that a provider may want, and as `credential` the key that it showed, where that is no key or token of ours:
 * for providers whose rule passes it on.
 */
export type ClientHeaders = Readonly<Record<string, string | undefined>>

/** Where providers get the values that the rules only refer to. */
export interface Secrets {
  /**
   * @param reference `${env:NAME}` or `${file:/path}`
   * @returns the value as it is now, without blanks around it
   * @throws {CredentialError} where the variable or the file is missing or empty; the message names the reference.
   */
  resolve(reference: string): string
  /** @returns a document of Kubernetes, such as a certificate; absent: there are none */
  document?(text: string): string
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
   * Absent: nothing. Must not change its argument. Needed only on routes that are `shaped`; on others it returns
   * its argument.
   * @param client the client's headers, for beta flags that travel in the body (Bedrock)
   */
  shape?(body: JsonObject, route: Route, client?: ClientHeaders): JsonObject
  /**
   * Adds credentials (and headers such as anthropic-version) to `request.headers`. A provider with a key at hand does
   * it at once; one that signs or fetches a token gives a promise.
   * @param client the client's headers that may matter: anthropic-version, anthropic-beta, openai-beta
   * @throws {CredentialError} where there is none; the message names the reference, never a value.
   */
  authorize(request: OutgoingRequest, client: ClientHeaders): void | Promise<void>
}

export { CredentialError } from '../../config/secrets.ts'

/** Every request header that may carry a credential: all are removed before each attempt. */
export const credentialHeaders: readonly string[] = [
  'x-chaperone-key',
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
  'ocp-apim-subscription-key',
  'x-goog-iam-authorization-token',
]

/**
 * Request headers that mean something to one make of provider only. They are removed before each attempt as well:
 * `authorize` puts back those its provider takes, so that no provider sees another's.
 */
export const vendorHeaders: readonly string[] = [
  'anthropic-version',
  'anthropic-beta',
  'anthropic-dangerous-direct-browser-access',
  'openai-beta',
  'x-goog-api-client',
]
