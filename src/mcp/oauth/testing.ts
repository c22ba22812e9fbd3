import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Identity } from '../../identity/identity.ts'
import type { JsonObject } from '../../json.ts'

/** A request that the authorization server got at its token endpoint. */
export interface TokenCall {
  readonly form: Readonly<Record<string, string>>
  readonly authorization: string | undefined
}

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void | Promise<void>

/**
 * An authorization server with an MCP server beside it (`/mcp`), on 127.0.0.1: real HTTP, and as faulty as a test wants. It
 * checks PKCE, redirect URIs, resources and clients, rotates refresh tokens, and takes a family away when one is used twice.
 */
export class TestServer {
  readonly #server = createServer((request, response) => void this.#serve(request, response))
  /** Answers before all else, by path. */
  readonly handlers = new Map<string, Handler>()
  readonly calls: TokenCall[] = []
  readonly registrations: JsonObject[] = []
  readonly requested: string[] = []
  /** Put over the metadata of the authorization server; undefined takes a field away. */
  metadata: JsonObject = {}
  resourceMetadata: JsonObject = {}
  challengeScope: string | undefined = 'notes:read'
  secrets = new Map([['gateway', 'hush']])
  methods: readonly string[] = ['client_secret_basic', 'client_secret_post', 'none']
  life: unknown = 3600
  rotate = true
  families = 0
  #codes = new Map<string, Record<string, string>>()
  #refresh = new Map<string, { family: number; used: boolean; scope: string }>()
  #dead = new Set<number>()
  #tokens = 0
  url = ''

  async start(): Promise<this> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done))
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((done) => this.#server.close(done))
  }

  /** All refresh tokens of before are worth nothing. */
  revokeAll(): void {
    for (const { family } of this.#refresh.values()) this.#dead.add(family)
  }

  /** What a browser does at the authorization endpoint when its user agrees. @returns where it is sent */
  authorize(location: string, answer: Record<string, string | undefined> = {}): URL {
    const query = new URL(location).searchParams
    const code = randomBytes(8).toString('hex')
    this.#codes.set(code, Object.fromEntries(query))
    const back = new URL(query.get('redirect_uri')!)
    const given: Record<string, string | undefined> = { code, state: query.get('state')!, iss: this.url, ...answer }
    for (const [name, value] of Object.entries(given)) if (value !== undefined) back.searchParams.set(name, value)
    return back
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', this.url).pathname
    this.requested.push(`${request.method} ${path}`)
    let body = ''
    for await (const piece of request) body += piece
    const handler = this.handlers.get(path)
    if (handler) return handler(request, response, body)
    const json = (status: number, value: JsonObject, headers: Record<string, string> = {}) =>
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
    switch (path) {
      case '/.well-known/oauth-protected-resource/mcp':
        return void json(200, {
          resource: `${this.url}/mcp`,
          authorization_servers: [this.url],
          scopes_supported: ['notes:all'],
          ...this.resourceMetadata,
        })
      case '/.well-known/oauth-authorization-server':
        return void json(200, {
          issuer: this.url,
          authorization_endpoint: `${this.url}/authorize`,
          token_endpoint: `${this.url}/token`,
          registration_endpoint: `${this.url}/register`,
          response_types_supported: ['code'],
          code_challenge_methods_supported: ['S256'],
          token_endpoint_auth_methods_supported: this.methods,
          authorization_response_iss_parameter_supported: true,
          ...this.metadata,
        })
      case '/register': {
        const asked = JSON.parse(body) as JsonObject
        this.registrations.push(asked)
        const id = `client-${this.registrations.length}`
        const secret = asked.token_endpoint_auth_method === 'none' ? undefined : randomBytes(8).toString('hex')
        this.secrets.set(id, secret ?? '')
        return void json(201, { ...asked, client_id: id, ...(secret !== undefined && { client_secret: secret }) })
      }
      case '/mcp': {
        const scope = this.challengeScope === undefined ? '' : `, scope="${this.challengeScope}"`
        const metadata = `${this.url}/.well-known/oauth-protected-resource/mcp`
        return void json(401, {}, { 'www-authenticate': `Bearer resource_metadata="${metadata}"${scope}` })
      }
      case '/token': {
        const form = Object.fromEntries(new URLSearchParams(body))
        this.calls.push({ form, authorization: request.headers.authorization })
        const answer = this.#token(form, request.headers.authorization)
        return void json(typeof answer.error === 'string' ? 400 : 200, answer)
      }
      default:
        return void json(404, {})
    }
  }

  #token(form: Record<string, string>, authorization: string | undefined): JsonObject {
    let [id, secret, method] = [form.client_id, form.client_secret, form.client_secret ? 'client_secret_post' : 'none']
    if (authorization?.startsWith('Basic ')) {
      const pair = Buffer.from(authorization.slice(6), 'base64').toString().split(':')
      ;[id, secret] = pair.map((part) => new URLSearchParams(`x=${part}`).get('x') ?? '')
      method = 'client_secret_basic'
    }
    const portable = id?.endsWith('client.json') && method === 'none'
    if (!this.methods.includes(method!) || (!portable && (this.secrets.get(id ?? '') ?? '-') !== (secret ?? '')))
      return { error: 'invalid_client' }
    switch (form.grant_type) {
      case 'authorization_code': {
        const asked = this.#codes.get(form.code ?? '')
        this.#codes.delete(form.code ?? '')
        const challenge = createHash('sha256')
          .update(form.code_verifier ?? '')
          .digest('base64url')
        if (!asked || asked.code_challenge !== challenge || asked.code_challenge_method !== 'S256')
          return { error: 'invalid_grant' }
        if (asked.redirect_uri !== form.redirect_uri || asked.resource !== form.resource || asked.client_id !== id)
          return { error: 'invalid_grant' }
        return this.#issue(asked.scope ?? '', ++this.families)
      }
      case 'refresh_token': {
        const known = this.#refresh.get(form.refresh_token ?? '')
        if (!known || this.#dead.has(known.family)) return { error: 'invalid_grant' }
        if (known.used) {
          this.#dead.add(known.family)
          return { error: 'invalid_grant' }
        }
        if (this.rotate) known.used = true
        return this.#issue(known.scope, known.family)
      }
      case 'urn:ietf:params:oauth:grant-type:token-exchange':
        if (form.subject_token?.startsWith('bad')) return { error: 'invalid_grant' }
        return { ...this.#issue('', 0), refresh_token: undefined }
      default:
        return { ...this.#issue(form.scope ?? '', 0), refresh_token: undefined }
    }
  }

  #issue(scope: string, family: number): JsonObject {
    const refresh = randomBytes(8).toString('hex')
    this.#refresh.set(refresh, { family, used: false, scope })
    return {
      access_token: `token-${++this.#tokens}`,
      token_type: 'Bearer',
      expires_in: this.life,
      refresh_token: refresh,
      scope,
    }
  }
}

/** A caller. */
export function callerOf(
  subject: string,
  { kind = 'jwt', token = `jwt-of-${subject}`, claims = {} }: Partial<Identity> & { token?: string } = {},
): { identity: Identity; token: string | undefined } {
  const identity: Identity = {
    kind,
    subject,
    user: subject,
    claims,
    mayUseModel: () => true,
    mayUseServer: () => true,
  }
  return { identity, token: kind === 'jwt' ? token : undefined }
}

/** A clock that a test moves. */
export class TestClock {
  ms = Date.now()
  readonly now = () => this.ms
}
