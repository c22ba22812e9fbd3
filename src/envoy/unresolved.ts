/** Clusters of Envoy's that have no server: a name that resolves to nothing. */

interface ClusterStatus {
  readonly name: string
  readonly host_statuses?: readonly unknown[]
}

/** Where Envoy's admin interface says what is in its clusters. */
export const clustersPath = '/clusters?format=json'

/** The sections of the rules by what the names of their clusters begin with. */
const sections: readonly [prefix: string, section: string][] = [
  ['service/', 'http.services'],
  ['upstream/', 'providers'],
  ['mcp/', 'mcp.servers'],
  ['a2a/', 'a2a.agents'],
  ['jwks/', 'identities.issuers'],
]

/**
 * The rules' servers that have no address.
 * @param text what the admin interface said
 * @returns their paths in the rules
 */
export function unresolved(text: string): string[] {
  const { cluster_statuses = [] } = JSON.parse(text) as { cluster_statuses?: readonly ClusterStatus[] }
  return cluster_statuses.flatMap(({ name, host_statuses = [] }) => {
    if (host_statuses.length > 0) return []
    const section = sections.find(([prefix]) => name.startsWith(prefix))
    // A name ends where the hash of its address begins.
    return section ? [`${section[1]}.${name.slice(section[0].length).replace(/@[0-9a-f]{10}$/, '')}`] : []
  })
}

/** Looks at Envoy's clusters now and then, and tells of those that have lost their last address, or have got one. */
export class UnresolvedWatch {
  readonly #ask: () => Promise<string>
  readonly #told: (path: string, resolved: boolean) => void
  #known = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  /**
   * @param ask what the admin interface says of clusters
   * @param told by the path in the rules; whether it has an address now
   */
  constructor(ask: () => Promise<string>, told: (path: string, resolved: boolean) => void) {
    this.#ask = ask
    this.#told = told
  }

  /** Looks in `firstMs`, which is when new names have been asked for, and every minute after that. */
  soon(firstMs = 5_000): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.look().finally(() => this.#timer && this.soon(60_000)), firstMs)
    this.#timer.unref()
  }

  async look(): Promise<void> {
    let now: Set<string>
    try {
      now = new Set(unresolved(await this.#ask()))
    } catch {
      // No Envoy, or one that is on its way: it is looked at again.
      return
    }
    for (const path of now) if (!this.#known.has(path)) this.#told(path, false)
    for (const path of this.#known) if (!now.has(path)) this.#told(path, true)
    this.#known = now
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
