import { isObject } from '../../json.ts'
import type { Era } from '../protocol.ts'
import type { Sealer } from '../seal.ts'
import type { ServerSession } from '../server/legacy-http-link.ts'

/** A task of a server, as far as it must be known to ask for it again. */
export interface HeldTask {
  readonly server: string
  /** The server's own id of it. */
  readonly id: string
  /** The tool that was called, by the server's own name: whoever may not use it may not read what it gave. */
  readonly tool: string
  /** The server's. */
  readonly era: Era
  /** The session that it was begun in; undefined: the server has none, or it cannot be given away. */
  readonly session: ServerSession | undefined
}

/** How long a server keeps a task is its own affair (`ttl`); no id is good for longer than this. */
const lifetimeS = 30 * 24 * 3600

/** What is in the seal. Short names: clients of the new era send it in a header too. */
type Sealed = [
  server: string,
  id: string,
  tool: string,
  era: 'l' | 'm',
  session: [id: string | null, version: string, host: string | null] | null,
]

/**
 * The id that a client gets for a task of a server: sealed, so that any replica knows what it means and nobody else can
 * use it.
 * @param bound the caller and the endpoint (`boundTo`)
 */
export function sealTask(sealer: Sealer, bound: string, { server, id, tool, era, session }: HeldTask): string {
  const inner: Sealed[4] = session ? [session.id ?? null, session.version, session.host ?? null] : null
  const content: Sealed = [server, id, tool, era === 'legacy' ? 'l' : 'm', inner]
  return sealer.seal('task', bound, content, Date.now() / 1000 + lifetimeS)
}

/** @returns undefined for what is no id of this caller's at this endpoint, or too old */
export function openTask(sealer: Sealer, bound: string, text: unknown): HeldTask | undefined {
  if (typeof text !== 'string') return undefined
  const opened = sealer.open('task', bound, text, Date.now() / 1000)
  if (typeof opened === 'string' || !Array.isArray(opened.value)) return undefined
  const [server, id, tool, era, session] = opened.value as Sealed
  return {
    server,
    id,
    tool,
    era: era === 'l' ? 'legacy' : 'modern',
    session: session ? { id: session[0] ?? undefined, version: session[1], host: session[2] ?? undefined } : undefined,
  }
}

/** What ids of tasks that clients have are bound to: what one server was told of is nothing to another. */
export function boundToServer(bound: string, server: string): string {
  return `${bound}\0server\0${server}`
}

/** The id of a task that a client made of a server's request, as that server gets it. */
export function sealClientTask(sealer: Sealer, bound: string, id: string): string {
  return sealer.seal('task', bound, { c: id }, Date.now() / 1000 + lifetimeS)
}

/** @returns the client's own id, or undefined where the server was given no such one */
export function openClientTask(sealer: Sealer, bound: string, text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined
  const opened = sealer.open('task', bound, text, Date.now() / 1000)
  return typeof opened !== 'string' && isObject(opened.value) && typeof opened.value.c === 'string'
    ? opened.value.c
    : undefined
}
