import { createHash } from 'node:crypto'
import { request } from 'undici'
import type { McpCredentialRule, McpServerRule } from '../../config/mcp.ts'
import { isObject } from '../../json.ts'
import type { Secrets } from '../compile.ts'
import { McpError, ServerUnavailable } from '../errors.ts'
import { errorCode, type JsonObject } from '../protocol.ts'
import type { Caller, Credentials } from './server.ts'

/** A token is renewed so long before it expires, ms; a short one at half of its life. */
const earlyMs = 60_000
/** What a token endpoint that does not say how long its tokens last is taken to mean, s. */
const defaultLifeS = 300
const timeoutMs = 10_000
const longestAnswer = 256 * 1024
/** After a failure the token endpoint is left alone for so long, ms. */
const failureMs = 2_000
const mostTokens = 10_000

type ClientRule = McpCredentialRule & { type: 'client-credentials' | 'token-exchange' }

/**
 * What the gateway shows a server. Nothing of what a client sent gets there, but where the rules pass its token on.
 * @throws {Error} at the call, where a secret or a token cannot be had
 */
export function credentialsOf(name: string, rule: McpServerRule, secrets: Secrets): Credentials {
  const credential = rule.type === 'stdio' ? undefined : rule.credential
  switch (credential?.type) {
    case undefined:
      return { headers: () => [] }
    case 'headers': {
      const all = Object.entries(credential.headers).map(([header, value]) => [header.toLowerCase(), value] as const)
      return { headers: () => all.map(([header, value]) => [header, secrets.resolve(value)] as const) }
    }
    case 'bearer': {
      const { token } = credential
      return { headers: () => bearer(secrets.resolve(token)) }
    }
    case 'passthrough':
      return { headers: (caller) => bearer(ownToken(name, caller, credential.audience)) }
    case 'client-credentials': {
      const tokens = new Tokens(name, credential, urlOf(rule), secrets)
      return { headers: () => tokens.headers('', { grant_type: 'client_credentials' }) }
    }
    case 'token-exchange': {
      const tokens = new Tokens(name, credential, urlOf(rule), secrets)
      return {
        headers(caller) {
          const subject = shownToken(name, caller)
          return tokens.headers(createHash('sha256').update(subject).digest('base64url'), {
            grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
            subject_token: subject,
            subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
            requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
            ...(credential.audience !== undefined && { audience: credential.audience }),
          })
        },
      }
    }
  }
}

const urlOf = (rule: McpServerRule) => (rule.type === 'stdio' ? '' : (rule.url ?? ''))
const bearer = (token: string) => [['authorization', `Bearer ${token}`] as const]

function shownToken(server: string, { identity, token }: Pick<Caller, 'identity' | 'token'>): string {
  if (identity.kind === 'jwt' && token !== undefined) return token
  throw new McpError(
    200,
    -32003,
    `The MCP server ${server} is used with the caller's own token, and you showed none: authenticate with a JWT.`,
    { reason: 'token_needed', rule: `mcp.servers.${server}.credential` },
  )
}

/** The caller's token, where it was made for the server as well (MCP, Authorization: no token passthrough otherwise). */
function ownToken(server: string, caller: Pick<Caller, 'identity' | 'token'>, audience: string): string {
  const token = shownToken(server, caller)
  const { aud } = caller.identity.claims
  if (aud === audience || (Array.isArray(aud) && aud.includes(audience))) return token
  throw new McpError(
    200,
    -32003,
    `Your token was not made for the MCP server ${server}: its audience lacks ${audience}.`,
    { reason: 'wrong_audience', rule: `mcp.servers.${server}.credential` },
  )
}

interface Token {
  readonly headers: readonly (readonly [string, string])[]
  /** performance.now() from when on it is to be renewed, and from when on it is of no use. */
  readonly renewAt: number
  readonly until: number
}

/** Tokens of an authorization server, kept for as long as they are good, one request for each at a time. */
class Tokens {
  readonly #server: string
  readonly #rule: ClientRule
  readonly #url: string
  readonly #secrets: Secrets
  readonly #kept = new Map<string, Token>()
  readonly #coming = new Map<string, Promise<Token>>()
  #failedAt = Number.NEGATIVE_INFINITY

  /** @param url the server's, the resource that tokens are for where the rule names none */
  constructor(server: string, rule: ClientRule, url: string, secrets: Secrets) {
    this.#server = server
    this.#rule = rule
    this.#url = url
    this.#secrets = secrets
  }

  /** @param key whom the token is for */
  headers(key: string, grant: Record<string, string>): Token['headers'] | Promise<Token['headers']> {
    const now = performance.now()
    const kept = this.#kept.get(key)
    if (kept && now < kept.renewAt) return kept.headers
    const coming = this.#ask(key, grant)
    // While a new one comes the old one is still good.
    if (kept && now < kept.until) {
      coming.catch(() => undefined)
      return kept.headers
    }
    return coming.then(({ headers }) => headers)
  }

  #ask(key: string, grant: Record<string, string>): Promise<Token> {
    let coming = this.#coming.get(key)
    if (!coming) {
      coming = this.#fetch(grant).then(
        (token) => {
          if (this.#kept.size >= mostTokens) this.#kept.delete(this.#kept.keys().next().value!)
          this.#kept.set(key, token)
          return token
        },
        (error) => {
          this.#failedAt = performance.now()
          throw error
        },
      )
      const settled = () => this.#coming.delete(key)
      coming.then(settled, settled)
      this.#coming.set(key, coming)
    }
    return coming
  }

  async #fetch(grant: Record<string, string>): Promise<Token> {
    const { tokenUrl, clientId, clientSecret, scopes, resource } = this.#rule
    if (performance.now() - this.#failedAt < failureMs) throw this.#failed('was not asked again yet')
    const form = new URLSearchParams({ ...grant, resource: resource ?? this.#url })
    if (scopes.length > 0) form.set('scope', scopes.join(' '))
    const headers: Record<string, string> = {
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
    }
    if (clientSecret === undefined) form.set('client_id', clientId)
    else {
      // RFC 6749, section 2.3.1: form-encoded before Base64.
      const pair = [clientId, this.#secrets.resolve(clientSecret)].map((part) =>
        new URLSearchParams({ '': part }).toString().slice(1),
      )
      headers.authorization = `Basic ${Buffer.from(pair.join(':')).toString('base64')}`
    }
    let status: number
    let answer: JsonObject
    try {
      const response = await request(tokenUrl, {
        method: 'POST',
        headers,
        body: form.toString(),
        signal: AbortSignal.timeout(timeoutMs),
      })
      status = response.statusCode
      const text = await bounded(response.body)
      const value: unknown = JSON.parse(text)
      answer = isObject(value) ? value : {}
    } catch (error) {
      throw this.#failed('does not answer', error)
    }
    const { access_token: token, expires_in: life, error } = answer
    if (status !== 200 || typeof token !== 'string' || !/^[\x21-\x7e]{1,16384}$/.test(token)) {
      const code = typeof error === 'string' && /^[a-z_]{1,60}$/.test(error) ? ` (${error})` : ''
      if (grant.subject_token !== undefined && status >= 400 && status < 500)
        throw new McpError(
          200,
          errorCode.internal,
          `Your token cannot be exchanged for one of the MCP server ${this.#server}${code}.`,
          { reason: 'exchange_refused', rule: `mcp.servers.${this.#server}.credential` },
        )
      throw this.#failed(`gives no token: HTTP ${status}${code}`)
    }
    const lifeMs = (typeof life === 'number' && life > 0 ? life : defaultLifeS) * 1000
    const now = performance.now()
    return {
      headers: bearer(token),
      renewAt: now + lifeMs - Math.min(earlyMs, lifeMs / 2),
      until: now + lifeMs,
    }
  }

  #failed(why: string, cause?: unknown): ServerUnavailable {
    return new ServerUnavailable(
      this.#server,
      `The authorization server of the MCP server ${this.#server} ${why}.`,
      cause,
    )
  }
}

async function bounded(body: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of body) {
    length += piece.length
    if (length > longestAnswer) throw new RangeError('the answer is too long')
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
