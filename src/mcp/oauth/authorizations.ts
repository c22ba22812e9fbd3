import { createHash, randomBytes } from 'node:crypto'
import type { LocalAnswer } from '../../protocol.ts'
import { type Browser, browserDigest, browserId, isOwnMachine, isSameUser, newBrowserCookie } from './browser.ts'
import { keepBack } from './confirmation.ts'
import { isDiscoveryFailure } from './discovery.ts'
import { type Grant, grantOf, keptUntil } from './grant.ts'
import { textIn, textsIn } from './http.ts'
import { type Page, pageAnswer, redirectAnswer } from './page.ts'
import { oauthPaths } from './paths.ts'
import { isTicketUsed, readTicket, type Ticket, ticketMs, useTicket } from './ticket.ts'
import { requestToken, TokenRefused } from './token-endpoint.ts'
import { TokenStoreError } from './token-store.ts'
import type { Discovered, UserServer } from './user-server.ts'
import type { Vault } from './vault.ts'

/** What came of an authorization. */
export interface Completed {
  readonly answer: LocalAnswer
  /** `authorized`: the next request goes through; `confirm`: the user has a code to give. Undefined: it failed. */
  readonly outcome?: 'authorized' | 'confirm' | undefined
  /** Whose elicitation has ended (`notifications/elicitation/complete`), where it is known. */
  readonly elicitationId?: string | undefined
  readonly server?: string | undefined
}

export interface AuthorizationsOptions {
  readonly vault: Vault
  /** `mcp.publicUrl`, without a slash at its end. */
  readonly base: string
  /** The server of that name under the rules in force. */
  readonly server: (name: string) => UserServer | undefined
  /** Told what the pages do not say. */
  readonly report: (error: unknown) => void
}

/** What the state holds, sealed and bound to the browser: all that the way back needs. */
interface State extends Pick<Grant, 'issuer' | 'clientId' | 'resource' | 'scopes'> {
  readonly id: string
  readonly server: string
  readonly grant: string
  readonly verifier: string
  readonly saysIssuer: boolean
}

/**
 * The pages by which a user authorizes the gateway at a server: GET and POST of `oauthPaths.start`, and `oauthPaths.callback`. No
 * replica keeps anything of a flow; what must happen once is used up in the store.
 */
export class Authorizations {
  readonly #options: AuthorizationsOptions

  constructor(options: AuthorizationsOptions) {
    this.#options = options
  }

  /** The page that says who asks for what. It uses nothing up: links are opened ahead by more than humans. */
  startPage(query: URLSearchParams, browser: Browser): Promise<LocalAnswer> {
    return this.#paged(async () => {
      const { base, vault } = this.#options
      const known = await this.#ticket(query, browser)
      if ('status' in known) return known
      const { ticket, server } = known
      if (await isTicketUsed(vault, ticket.id)) return used
      const found = await server.discover(ticket.metadata)
      const scopes = scopesOf(found, ticket)
      return {
        status: 200,
        title: `Connect ${server.name}`,
        paragraphs: [
          `Somebody who is known to this gateway as ${ticket.who} wants to use the MCP server ${server.name} (${new URL(server.url).host}).`,
          `Go on only if that is you and you asked for it just now. You will be sent to ${new URL(found.server.issuer).host}, and ${ticket.who} will act at ${server.name} with what you allow there${scopes.length > 0 ? `: ${scopes.join(', ')}` : ''}.`,
        ],
        form: {
          action: base + oauthPaths.start,
          fields: { ticket: query.get('ticket')! },
          button: `Yes, I am ${ticket.who}`,
        },
        cookie: browserId(browser, base) === undefined ? newBrowserCookie(base) : undefined,
      }
    })
  }

  /**
   * The user goes on, to the authorization server (OAuth 2.1, section 4.1.1; RFC 8707).
   * @param form the body of the POST
   */
  leave(form: URLSearchParams, browser: Browser): Promise<LocalAnswer> {
    return this.#paged(async () => {
      const { base, vault } = this.#options
      const id = browserId(browser, base)
      // Lax cookies do not come with another site's form; the Origin says the same where there is one.
      if (id === undefined || (browser.origin !== undefined && browser.origin !== new URL(base).origin)) return noCookie
      const known = await this.#ticket(form, browser)
      if ('status' in known) return known
      const { ticket, server } = known
      const found = await server.discover(ticket.metadata)
      const client = await server.client(found.server)
      if (!(await useTicket(vault, ticket.id))) return used
      const verifier = randomBytes(32).toString('base64url')
      const scopes = scopesOf(found, ticket)
      const state: State = {
        id: ticket.id,
        server: server.name,
        grant: ticket.grant,
        verifier,
        issuer: found.server.issuer,
        saysIssuer: found.server.saysIssuer,
        clientId: client.id,
        resource: found.resource,
        scopes,
      }
      const location = new URL(found.server.authorizationEndpoint)
      const parameters: Record<string, string> = {
        response_type: 'code',
        client_id: client.id,
        redirect_uri: server.redirectUri,
        state: vault.seal(stateBound(id), { ...state }, vault.now() + ticketMs),
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
        resource: found.resource,
        ...(scopes.length > 0 && { scope: scopes.join(' ') }),
        // OpenID Connect Core 1.0, section 11: offline access needs consent.
        ...(scopes.includes('offline_access') && { prompt: 'consent' }),
      }
      for (const [name, value] of Object.entries(parameters)) location.searchParams.set(name, value)
      return location.href
    })
  }

  /**
   * The way back from the authorization server: checks that it is the browser that left, that the issuer is the one it left for
   * (RFC 9207; MCP 2026-07-28, Authorization Response Validation), and that it is the first time; then gets the tokens.
   *
   * They are put into force where the browser shows that it is the same user's, or is of this machine; else they wait for the code
   * that the page shows (`ConfirmationNeeded`).
   */
  async completeAuthorization(query: URLSearchParams, browser: Browser): Promise<Completed> {
    const completed: { -readonly [K in keyof Completed]: Completed[K] } = { answer: pageAnswer(invalid) }
    completed.answer = await this.#paged(async () => {
      const { base, vault } = this.#options
      const id = browserId(browser, base)
      if (id === undefined) return noCookie
      const state = readState(vault, id, one(query, 'state'))
      if (typeof state === 'string') return state === 'expired' ? expired : invalid
      const server = this.#options.server(state.server)
      if (!server || !isFor(server, state.grant)) return gone
      if (isSameUser(browser, userOf(state.grant)) === 'other') return other
      const iss = one(query, 'iss')
      // Nothing else of an answer is looked at, an error neither, that may come from somebody else.
      if (query.has('iss') ? iss !== state.issuer : state.saysIssuer) return mixedUp
      if (!(await vault.useUp(`state ${state.id}`, vault.now() + ticketMs))) return used
      completed.elicitationId = state.id
      completed.server = state.server
      const refusal = one(query, 'error')
      if (query.has('error')) return refused(state.server, refusal)
      const code = one(query, 'code')
      if (code === undefined || code.length > 8192) return invalid
      const grant = await this.#redeem(server, state, code)
      const same = isSameUser(browser, userOf(state.grant)) === 'same'
      if (same || isOwnMachine(base) || server.rule.confirm === 'none') {
        await vault.set('grant', state.grant, { ...grant }, keptUntil(grant))
        completed.outcome = 'authorized'
        return done(state.server)
      }
      const shown = await keepBack(vault, state.grant, state.id, grant)
      completed.outcome = 'confirm'
      return confirm(state.server, shown)
    })
    return completed
  }

  async #redeem(server: UserServer, state: State, code: string): Promise<Grant> {
    const { vault, http } = server.parts
    const issuer = await server.issuer(state.issuer)
    const client = await server.clientOf(issuer, state.clientId)
    if (!client) throw new TokenRefused(new URL(state.issuer).host, 'invalid_client')
    const form = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: server.redirectUri,
      code_verifier: state.verifier,
      resource: state.resource,
    }
    try {
      const token = await requestToken(http, server.reach, issuer.tokenEndpoint, client, form)
      return grantOf(token, state, vault.now())
    } catch (error) {
      if (error instanceof TokenRefused && error.ofClient) await server.unknownTo(state.issuer)
      throw error
    }
  }

  /** The ticket of a request, and its server as it is now. */
  async #ticket(fields: URLSearchParams, browser: Browser): Promise<{ ticket: Ticket; server: UserServer } | Page> {
    const text = one(fields, 'ticket')
    const ticket = text === undefined ? 'invalid' : readTicket(this.#options.vault, text)
    if (typeof ticket === 'string') return ticket === 'expired' ? expired : invalid
    const server = this.#options.server(ticket.server)
    if (!server || !isFor(server, ticket.grant)) return gone
    if (isSameUser(browser, userOf(ticket.grant)) === 'other') return other
    return { ticket, server }
  }

  /** @param action gives a page, or where to go */
  async #paged(action: () => Promise<Page | string>): Promise<LocalAnswer> {
    try {
      const page = await action()
      return typeof page === 'string' ? redirectAnswer(page) : pageAnswer(page)
    } catch (error) {
      this.#options.report(error)
      if (error instanceof TokenRefused || isDiscoveryFailure(error)) return pageAnswer(unavailable)
      if (error instanceof TokenStoreError) return pageAnswer({ ...unavailable, status: 503 })
      return pageAnswer({ ...unavailable, status: 500 })
    }
  }
}

/** What is said more than once is said by somebody who hopes that it is read in two ways (OAuth 2.1, section 3.1). */
function one(fields: URLSearchParams, name: string): string | undefined {
  const all = fields.getAll(name)
  return all.length === 1 ? all[0] : undefined
}

const stateBound = (browser: string) => `state\0${browserDigest(browser)}`
const isFor = (server: UserServer, grant: string) => grant.startsWith(`${server.target}\0`)
const userOf = (grant: string) => grant.slice(grant.indexOf('\0') + 1)

function scopesOf({ scopes }: Discovered, ticket: Ticket): readonly string[] {
  return [...new Set([...scopes, ...ticket.scopes])]
}

function readState(vault: Vault, browser: string, text: string | undefined): State | 'invalid' | 'expired' {
  const json = text === undefined ? 'invalid' : vault.open(stateBound(browser), text)
  if (typeof json === 'string') return json
  const [id, server, grant, verifier] = ['id', 'server', 'grant', 'verifier'].map((name) => textIn(json, name))
  const [issuer, clientId, resource] = ['issuer', 'clientId', 'resource'].map((name) => textIn(json, name))
  if (id === undefined || server === undefined || grant === undefined || verifier === undefined) return 'invalid'
  if (issuer === undefined || clientId === undefined || resource === undefined) return 'invalid'
  const scopes = textsIn(json, 'scopes') ?? []
  return { id, server, grant, verifier, issuer, clientId, resource, scopes, saysIssuer: json.saysIssuer === true }
}

const again = 'Go back to your client and try again: it shows a new link.'
const page = (status: number, title: string, ...paragraphs: string[]): Page => ({ status, title, paragraphs })
const invalid = page(400, 'This link does not work', again)
const expired = page(400, 'This link is too old', again)
const used = page(400, 'This link was used already', again)
const gone = page(404, 'There is no such server any more', 'The rules of this gateway have changed meanwhile.')
const other = page(
  403,
  'This link is not yours',
  'You are known to this gateway as somebody else. If somebody sent you this link, do not use it.',
)
const noCookie = page(
  400,
  'This is another browser',
  'Open the link in the browser that you want to authorize with, with cookies allowed, and stay in it.',
)
const mixedUp = page(
  400,
  'This answer comes from somewhere else',
  'It is not from where you were sent, and nothing of it was used.',
  again,
)
const unavailable = page(
  502,
  'That did not work',
  'The server, or who authorizes for it, does not answer as it should. The operator finds the reason in the log of the gateway.',
  again,
)
const done = (server: string) =>
  page(200, `${server} is connected`, 'You can close this page and go on in your client.')
const refused = (server: string, code: string | undefined) =>
  page(
    400,
    `${server} is not connected`,
    `It was not authorized${code !== undefined && /^[a-z_]{1,60}$/.test(code) ? ` (${code})` : ''}.`,
    again,
  )
const confirm = (server: string, code: string): Page => ({
  ...page(
    200,
    'One more step',
    `Your client asks for this code before ${server} is connected. Give it to nobody else: who asks you for it wants to use your account.`,
  ),
  code,
})
