import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Identity } from '../../identity/identity.ts'
import type { AgentRequest, LocalAnswer } from '../../protocol.ts'
import type { Authorizations } from './authorizations.ts'
import type { Browser } from './browser.ts'
import { oauthPaths } from './paths.ts'
import { clientDocument } from './registration.ts'

const longestForm = 16 * 1024

/** Whether a path is one of the pages of the OAuth flow. */
export function isOAuthPage(path: string): boolean {
  return path.startsWith('/mcp-oauth/')
}

export interface OAuthPagesOptions {
  readonly authorizations: Authorizations
  /** `mcp.publicUrl`, without a slash at its end. */
  readonly base: string
  /** Told when somebody has authorized a server. */
  readonly authorized: () => void
}

/** The pages that browsers, and authorization servers, ask the gateway for. */
export class OAuthPages {
  readonly #options: OAuthPagesOptions

  constructor(options: OAuthPagesOptions) {
    this.#options = options
  }

  /** @param identity who the browser proved to be, where it did */
  async answer(request: AgentRequest, incoming: IncomingMessage, identity: Identity | undefined): Promise<LocalAnswer> {
    const { pathname, searchParams } = new URL(request.path, this.#options.base)
    const { authorizations, base } = this.#options
    const browser: Browser = { cookie: incoming.headers.cookie, origin: incoming.headers.origin, identity }
    switch (`${request.method} ${pathname}`) {
      case `GET ${oauthPaths.start}`:
        return authorizations.startPage(searchParams, browser)
      case `POST ${oauthPaths.start}`: {
        if (request.body.length > longestForm) return plain(413, 'The form is too long.')
        return authorizations.leave(new URLSearchParams(Buffer.from(request.body).toString('utf8')), browser)
      }
      case `GET ${oauthPaths.callback}`: {
        const { answer, outcome } = await authorizations.completeAuthorization(searchParams, browser)
        if (outcome === 'authorized') this.#options.authorized()
        return answer
      }
      case `GET ${oauthPaths.client}`:
        return {
          status: 200,
          headers: [
            ['content-type', 'application/json'],
            ['cache-control', 'public, max-age=300'],
          ],
          body: JSON.stringify(clientDocument(base)),
        }
      default:
        return plain(404, 'There is no such page here.')
    }
  }
}

/** Writes an answer to a response of the service's own server. */
export function send(response: ServerResponse, { status, headers, body }: LocalAnswer): void {
  for (const [name, value] of headers) response.appendHeader(name, value)
  response.statusCode = status
  response.end(body)
}

function plain(status: number, body: string): LocalAnswer {
  return { status, headers: [['content-type', 'text/plain; charset=utf-8']], body }
}
