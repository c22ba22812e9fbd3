import { createHash } from 'node:crypto'
import type { McpCredentialRule } from '../../config/mcp.ts'
import { Lru } from '../../identity/lru.ts'
import type { Secrets } from '../compile.ts'
import { McpError, ServerUnavailable } from '../errors.ts'
import type { Caller } from '../server/server.ts'
import { Backoff } from './backoff.ts'
import { type OAuthHttp, OAuthUnavailable } from './http.ts'
import { Reach, UnreachableUrl } from './reach.ts'
import { canonicalResource } from './resource.ts'
import { type GoodToken, type Shown, TokenCache } from './token-cache.ts'
import { type ClientMethod, type IssuedToken, requestToken, TokenRefused } from './token-endpoint.ts'

type Maybe<T> = T | Promise<T>

/** Whose call it is, as far as credentials depend on it. */
export type CredentialCaller = Pick<Caller, 'identity' | 'token'>

/** A server's refusal of what it was shown. */
export interface ServerRefusal {
  readonly status: 401 | 403
  readonly wwwAuthenticate: string | undefined
  /** What it was shown, as `headers` gave it. */
  readonly shown: Shown
}

/** What the gateway shows one server, under one revision of the rules. */
export interface ServerCredentials {
  /**
   * @returns at once what is at hand
   * @throws {McpError} where the caller has to do something: show a token, authorize (`AuthorizationNeeded`)
   * @throws {ServerUnavailable} where there is nothing to show now
   * @throws {CredentialError} where a secret of the rules cannot be had
   */
  headers(caller: CredentialCaller): Maybe<Shown>
  /** Parameters for the query of each request, where the rule has them. @throws {CredentialError} */
  query?(): Shown
  /**
   * Told when the server refused what it was shown.
   * @returns whether the request is worth another try, one, with what `headers` gives then
   * @throws {McpError} where the caller has to do something first
   */
  refused(caller: CredentialCaller, refusal: ServerRefusal): Maybe<boolean>
}

export interface CredentialParts {
  readonly secrets: Secrets
  readonly http: OAuthHttp
  /** Unix milliseconds. */
  readonly now?: (() => number) | undefined
}

/** What a token endpoint that does not say how long its tokens last is taken to mean, ms. */
const usualLifeMs = 300_000
/** A token that cannot be exchanged is not tried again for so long, ms. */
const refusedMs = 10_000

export const bearer = (token: string): Shown => [['authorization', `Bearer ${token}`]]
const never = () => false

/**
 * The credentials of a server whose rule needs no user's doing.
 * @param server its name and URL in the rules
 */
export function serverCredentials(
  server: { readonly name: string; readonly url: string },
  rule: Exclude<McpCredentialRule, { type: 'user' }> | undefined,
  parts: CredentialParts,
): ServerCredentials {
  const { name } = server
  const { secrets } = parts
  switch (rule?.type) {
    case undefined:
      return { headers: () => [], refused: never }
    case 'headers': {
      const all = Object.entries(rule.headers).map(([header, value]) => [header.toLowerCase(), value] as const)
      return { headers: () => all.map(([header, value]) => [header, secrets.resolve(value)] as const), refused: never }
    }
    case 'query': {
      const all = Object.entries(rule.parameters)
      return {
        headers: () => [],
        query: () => all.map(([parameter, value]) => [parameter, secrets.resolve(value)] as const),
        refused: never,
      }
    }
    case 'bearer': {
      const { token } = rule
      return { headers: () => bearer(secrets.resolve(token)), refused: never }
    }
    case 'passthrough':
      return { headers: (caller) => bearer(ownToken(name, caller, rule.audience)), refused: never }
    case 'client-credentials': {
      const tokens = new EndpointTokens(server, rule, parts)
      return {
        headers: () => tokens.headers('', { grant_type: 'client_credentials' }, Number.POSITIVE_INFINITY),
        refused: (_, { status, shown }) => status === 401 && tokens.drop('', shown),
      }
    }
    case 'token-exchange': {
      const tokens = new EndpointTokens(server, rule, parts)
      const form = {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token_type: accessToken,
        requested_token_type: accessToken,
        ...(rule.audience !== undefined && { audience: rule.audience }),
      }
      return {
        headers(caller) {
          const subject = shownToken(name, caller)
          const { exp } = caller.identity.claims
          const untilMs = typeof exp === 'number' ? exp * 1000 : 0
          return tokens.headers(keyOf(subject), { ...form, subject_token: subject }, untilMs)
        },
        refused: (caller, { status, shown }) =>
          status === 401 && caller.token !== undefined && tokens.drop(keyOf(caller.token), shown),
      }
    }
  }
}

const accessToken = 'urn:ietf:params:oauth:token-type:access_token'
const keyOf = (token: string) => createHash('sha256').update(token).digest('base64url')

/** Refuses a caller. */
function callerError(server: string, message: string, reason: string): McpError {
  return new McpError(200, -32003, message, { reason, rule: `mcp.servers.${server}.credential` })
}

function shownToken(server: string, { identity, token }: CredentialCaller): string {
  if (identity.kind === 'jwt' && token !== undefined) return token
  throw callerError(
    server,
    `The MCP server ${server} is used with the caller's own token, and you showed none: authenticate with a JWT.`,
    'token_needed',
  )
}

/** The caller's token, where it was made for the server as well (MCP, Authorization: no token passthrough otherwise). */
function ownToken(server: string, caller: CredentialCaller, audience: string): string {
  const token = shownToken(server, caller)
  if ([caller.identity.claims.aud].flat().includes(audience)) return token
  throw callerError(
    server,
    `Your token was not made for the MCP server ${server}: its audience lacks ${audience}.`,
    'wrong_audience',
  )
}

type EndpointRule = Extract<McpCredentialRule, { type: 'client-credentials' | 'token-exchange' }>

/** Tokens from the token endpoint that the rules name (RFC 6749, section 4.4; RFC 8693). */
class EndpointTokens {
  readonly #server: string
  readonly #rule: EndpointRule
  readonly #resource: string
  readonly #reach: Reach
  readonly #secrets: Secrets
  readonly #http: OAuthHttp
  readonly #now: () => number
  readonly #cache: TokenCache
  readonly #backoff: Backoff
  /** Subjects whose exchange was refused, by their key, and until when they are refused here. */
  readonly #refused = new Lru<string, number>(10_000)
  /** What the token endpoint took; undefined: not known yet. */
  #method: ClientMethod | undefined

  constructor(
    { name, url }: { readonly name: string; readonly url: string },
    rule: EndpointRule,
    { secrets, http, now = Date.now }: CredentialParts,
  ) {
    this.#server = name
    this.#rule = rule
    this.#resource = rule.resource ?? canonicalResource(url)
    this.#reach = new Reach(url, [rule.tokenUrl])
    this.#secrets = secrets
    this.#http = http
    this.#now = now
    this.#cache = new TokenCache(now)
    this.#backoff = new Backoff(now)
    if (rule.clientSecret === undefined) this.#method = 'none'
  }

  /** @param longestMs when the token is of no use any more, whatever its own life, Unix milliseconds */
  headers(key: string, form: Record<string, string>, longestMs: number): Maybe<Shown> {
    return this.#cache.headers(key, () => this.#fetch(key, form, longestMs))
  }

  drop(key: string, shown: Shown): boolean {
    return this.#cache.drop(key, shown)
  }

  async #fetch(key: string, form: Record<string, string>, longestMs: number): Promise<GoodToken> {
    if (this.#now() < (this.#refused.get(key) ?? 0)) throw this.#exchangeRefused('')
    if (this.#backoff.waiting) throw this.#failed('failed a moment ago and is not asked again yet')
    const { scopes } = this.#rule
    const fields = { ...form, resource: this.#resource, ...(scopes.length > 0 && { scope: scopes.join(' ') }) }
    try {
      const { accessToken, lifeMs = usualLifeMs } = await this.#ask(fields)
      this.#backoff.succeeded()
      return { headers: bearer(accessToken), untilMs: Math.min(this.#now() + lifeMs, longestMs) }
    } catch (error) {
      if (error instanceof TokenRefused && !error.ofClient && form.subject_token !== undefined) {
        // The endpoint is well; it is this one's token that it does not take.
        this.#refused.set(key, this.#now() + refusedMs)
        throw this.#exchangeRefused(` (${error.code})`)
      }
      this.#backoff.failed()
      if (error instanceof TokenRefused) throw this.#failed(`gives no token (${error.code})`, error)
      if (error instanceof OAuthUnavailable) throw this.#failed('gives no usable answer', error)
      if (error instanceof UnreachableUrl) throw this.#failed('has no address that may be asked', error)
      throw error
    }
  }

  /** Says who the gateway is in the way that all must take, and in the other where the endpoint takes only that. */
  async #ask(fields: Record<string, string>): Promise<IssuedToken> {
    const { clientId: id, clientSecret, tokenUrl } = this.#rule
    const secret = clientSecret === undefined ? undefined : this.#secrets.resolve(clientSecret)
    const methods: readonly ClientMethod[] =
      this.#method === undefined ? ['client_secret_basic', 'client_secret_post'] : [this.#method]
    for (const [index, method] of methods.entries())
      try {
        const token = await requestToken(this.#http, this.#reach, tokenUrl, { id, secret, method }, fields)
        this.#method = method
        return token
      } catch (error) {
        const invalid = error instanceof TokenRefused && error.code === 'invalid_client'
        // The endpoint may have changed its mind, or the secret was changed: next time both ways are tried.
        if (invalid && clientSecret !== undefined) this.#method = undefined
        if (!invalid || index === methods.length - 1) throw error
      }
    throw new RangeError('there is no way to say who asks')
  }

  #failed(why: string, cause?: unknown): ServerUnavailable {
    return new ServerUnavailable(
      this.#server,
      `The authorization server of the MCP server ${this.#server} ${why}.`,
      cause,
    )
  }

  #exchangeRefused(code: string): McpError {
    return callerError(
      this.#server,
      `Your token cannot be exchanged for one of the MCP server ${this.#server}${code}. Get a new one, or ask the operator.`,
      'exchange_refused',
    )
  }
}
