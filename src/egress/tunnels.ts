import { randomUUID } from 'node:crypto'

/** How many tunnels' credentials are kept; the ones that were opened longest ago are forgotten. */
const mostKept = 50_000

/**
 * What was shown when a tunnel was opened counts for what is asked inside of it, where nothing else is shown. Envoy carries the
 * tunnel's id from the one to the other; no client can say it.
 */
export class Tunnels {
  readonly #credentials = new Map<string, string>()

  /** @returns the tunnel's id */
  open(credential: string): string {
    const id = randomUUID()
    if (this.#credentials.size >= mostKept) this.#credentials.delete(this.#credentials.keys().next().value!)
    this.#credentials.set(id, credential)
    return id
  }

  credentialOf(id: string | undefined): string | undefined {
    return id === undefined ? undefined : this.#credentials.get(id)
  }
}

/** The key or token of Proxy-Authorization: Bearer's, or the password of Basic (or its user name, where there is no password). */
export function proxyCredential(header: string | undefined): string | undefined {
  const [, scheme = '', value = ''] = /^(\w+) +(\S+)$/.exec(header ?? '') ?? []
  if (scheme.toLowerCase() === 'bearer') return value
  if (scheme.toLowerCase() !== 'basic') return undefined
  const text = Buffer.from(value, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  const [user, password] = colon === -1 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
  return (password || user) === '' ? undefined : password || user
}
