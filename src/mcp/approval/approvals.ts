import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Identity } from '../../identity/identity.ts'
import type { LocalAnswer } from '../../protocol.ts'
import { boundTo, type Incoming } from '../endpoint.ts'
import type { Routed } from '../federation.ts'
import { textIn } from '../oauth/http.ts'
import { type Page, pageAnswer } from '../oauth/page.ts'
import type { Vault } from '../oauth/vault.ts'
import { canonicalJson } from '../pins/canonical.ts'

/** The page on which a human decides. It is outside of /mcp/, where endpoints have their names. */
export const approvalPath = '/mcp-approval'

/** How long a call may wait for somebody, ms; and how often it is looked. */
const goodForMs = 900_000
const lookMs = 500
const longestForm = 16 * 1024
/** Of the arguments, characters: more is not shown, and cannot be approved on a page. */
const longestShown = 20_000

/** Who may approve calls of a server. @param identity who the browser proved to be, where it did */
export type Approvers = (server: string, identity: Identity | undefined, listener: string) => boolean

/** What has become of a call that waits for a human. */
export type Standing =
  | { readonly state: 'approved' | 'denied'; readonly by: string }
  | { readonly state: 'waiting'; readonly id: string; readonly url: string }

/**
 * Approvals on a page of the gateway's own: a call is written down in the store, and whoever has the link and may approve decides
 * there, on any replica. An approval is good for one call of the caller with just these arguments.
 */
export class Approvals {
  readonly #vault: Vault
  readonly #base: string
  readonly #approvers: Approvers

  /** @param base `mcp.publicUrl`, without a slash at its end */
  constructor(vault: Vault, base: string, approvers: Approvers) {
    this.#vault = vault
    this.#base = base
    this.#approvers = approvers
  }

  /** What has become of a call. One that nobody knows of is written down; one that was decided is so once. */
  async look(incoming: Incoming, routed: Routed): Promise<Standing> {
    const { identity } = incoming
    const args = canonicalJson(routed.params.arguments ?? {})
    const name = nameOf(boundTo(incoming), routed, args)
    const known = await this.#vault.get('approval', name)
    const id = known && textIn(known, 'id')
    if (known && id !== undefined) {
      const state = textIn(known, 'state')
      if (state !== 'approved' && state !== 'denied') return this.#waiting(name, id)
      await this.#vault.delete('approval', name)
      // Of requests of the same moment one has it.
      if (await this.#vault.useUp(`approval used ${id}`, this.#vault.now() + goodForMs))
        return { state, by: textIn(known, 'by') ?? '' }
    }
    const fresh = randomBytes(16).toString('base64url')
    const shown = JSON.stringify(routed.params.arguments ?? {}, null, 2)
    await this.#vault.set(
      'approval',
      name,
      {
        id: fresh,
        who: identity.user ?? identity.subject,
        server: routed.server.name,
        tool: routed.name,
        args: shown.length > longestShown ? '' : shown,
        length: String(shown.length),
      },
      this.#vault.now() + goodForMs,
    )
    return this.#waiting(name, fresh)
  }

  /** Looks until somebody has decided. @returns undefined where nobody did in time */
  async decided(incoming: Incoming, routed: Routed, ms: number, signal: AbortSignal): Promise<Standing | undefined> {
    const until = performance.now() + ms
    for (;;) {
      const standing = await this.look(incoming, routed)
      if (standing.state !== 'waiting') return standing
      if (performance.now() > until) return undefined
      await sleep(lookMs, undefined, { signal })
    }
  }

  /** The page and its form. @param identity who the browser proved to be, where it did */
  async answer(
    method: string,
    query: URLSearchParams,
    body: Uint8Array,
    identity: Identity | undefined,
    listener: string,
  ): Promise<LocalAnswer> {
    if (method !== 'GET' && method !== 'POST')
      return pageAnswer(page(405, 'Not here', 'This page is read or answered.'))
    if (body.length > longestForm) return pageAnswer(page(413, 'Too long', 'The form is too long.'))
    const form = method === 'POST' ? new URLSearchParams(Buffer.from(body).toString('utf8')) : query
    const ticket = this.#vault.open('approval', form.get('ticket') ?? '')
    const name = typeof ticket === 'object' ? textIn(ticket, 'name') : undefined
    const call = name === undefined ? undefined : await this.#vault.get('approval', name)
    if (typeof ticket !== 'object' || name === undefined || !call || textIn(call, 'id') !== textIn(ticket, 'id'))
      return pageAnswer(page(404, 'Nothing waits here', 'The call was decided already, or waited for too long.'))
    const [server, tool, who, args] = ['server', 'tool', 'who', 'args'].map((key) => textIn(call, key) ?? '') as [
      string,
      string,
      string,
      string,
    ]
    if (!this.#approvers(server, identity, listener))
      return pageAnswer(
        page(403, 'Not yours to decide', `The rules of this gateway let others decide about calls of ${server}.`),
      )
    if (textIn(call, 'state') !== undefined)
      return pageAnswer(page(404, 'Nothing waits here', 'The call was decided already.'))
    if (method === 'GET')
      return pageAnswer({
        status: 200,
        title: `${tool} of ${server}`,
        paragraphs: [
          `${who} wants to call the tool ${tool} of the MCP server ${server} with these arguments. The rules of this gateway want a human to approve it.`,
          ...(args === '' ? [`The arguments are too long to be shown (${textIn(call, 'length')} characters).`] : []),
        ],
        text: args,
        form: {
          action: this.#base + approvalPath,
          fields: { ticket: form.get('ticket')! },
          choices: [
            ...(args === '' ? [] : [{ name: 'decision', value: 'approve', button: 'Approve this call' }]),
            { name: 'decision', value: 'deny', button: 'Deny it' },
          ],
        },
      })
    const decision = form.get('decision')
    if (decision !== 'approve' && decision !== 'deny')
      return pageAnswer(page(400, 'No decision', 'Approve the call, or deny it.'))
    const id = textIn(call, 'id')!
    if (!(await this.#vault.useUp(`approval decided ${id}`, this.#vault.now() + goodForMs)))
      return pageAnswer(page(404, 'Nothing waits here', 'The call was decided already.'))
    const state = decision === 'approve' && args !== '' ? 'approved' : 'denied'
    const by = identity ? (identity.user ?? identity.subject) : 'the link'
    await this.#vault.set('approval', name, { ...call, state, by }, this.#vault.now() + goodForMs)
    return pageAnswer(
      page(
        200,
        state === 'approved' ? 'Approved' : 'Denied',
        `The call of ${tool} was ${state}. You can close this page.`,
      ),
    )
  }

  #waiting(name: string, id: string): Standing {
    const ticket = this.#vault.seal('approval', { name, id }, this.#vault.now() + goodForMs)
    return { state: 'waiting', id, url: `${this.#base}${approvalPath}?ticket=${ticket}` }
  }
}

/** A call, by whose it is, what is called and with what. */
function nameOf(bound: string, { server, name }: Routed, args: string): string {
  return createHash('sha256').update([bound, server.name, name, args].join('\0')).digest('base64url')
}

const page = (status: number, title: string, text: string): Page => ({ status, title, paragraphs: [text] })
