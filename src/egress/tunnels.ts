import { Sealer } from '../mcp/seal.ts'

/** How long a tunnel counts for what opened it, seconds. */
const longestTunnelS = 7 * 24 * 3600

/**
 * What was shown when a tunnel was opened counts for what is asked inside of it, where nothing else is shown. Envoy carries it, sealed,
 * from the one to the other (no client can say it), so that a service that takes another's place knows it too.
 */
export class Tunnels {
  readonly #sealer: Sealer

  /** @param key 32 random bytes */
  constructor(key: Uint8Array) {
    this.#sealer = new Sealer([], key)
  }

  /** @returns what stands for the credential on this listener */
  open(listener: string, credential: string, nowMs = Date.now()): string {
    return this.#sealer.seal('tunnel', listener, credential, nowMs / 1000 + longestTunnelS)
  }

  credentialOf(listener: string, tunnel: string | undefined, nowMs = Date.now()): string | undefined {
    if (tunnel === undefined) return undefined
    const opened = this.#sealer.open('tunnel', listener, tunnel, nowMs / 1000)
    return typeof opened === 'object' && typeof opened.value === 'string' ? opened.value : undefined
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
