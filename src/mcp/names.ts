import { createHash } from 'node:crypto'

/** What model providers take as a tool's name. */
const valid = /^[a-zA-Z0-9_-]{1,64}$/
const longest = 64
const hashLength = 8
const mostLearned = 50_000

/** A server's part in the names of an endpoint. */
export interface Named {
  readonly name: string
  /** Stands before its names, with an underscore; empty: nothing does. */
  readonly prefix: string
  /** Other names for tools, by the server's own. */
  readonly rename: ReadonlyMap<string, string>
}

/** What a client means by a name: a server's own name, or, where it is shortened, one that these servers' lists tell. */
export type Meant = { readonly server: string; readonly name: string } | { readonly candidates: readonly string[] }

/**
 * The names of an endpoint: those of many servers, made unique, valid for model providers (64 characters,
 * [a-zA-Z0-9_-]), always the same, and reversible. A name that fits as it is stands as it is behind its prefix; another one is cut
 * and gets a hash of the whole, which only the server's own list turns back.
 */
export class Names {
  readonly #servers: readonly Named[]
  /** Longest prefix first. */
  readonly #prefixed: readonly Named[]
  readonly #bare: Named | undefined
  readonly #byName: ReadonlyMap<string, Named>
  readonly #original: ReadonlyMap<string, ReadonlyMap<string, string>>
  /** Shortened names that were shown. */
  readonly #learned = new Map<string, { server: string; name: string }>()

  /** @throws {RangeError} where two servers cannot be told apart */
  constructor(servers: readonly Named[]) {
    this.#servers = servers
    this.#byName = new Map(servers.map((server) => [server.name, server]))
    this.#prefixed = servers
      .filter(({ prefix }) => prefix !== '')
      .sort((one, other) => other.prefix.length - one.prefix.length)
    const bare = servers.filter(({ prefix }) => prefix === '')
    if (bare.length > 1)
      throw new RangeError(
        `only one server of an endpoint can be without a prefix: ${bare.map(({ name }) => name).join(', ')}`,
      )
    this.#bare = bare[0]
    const seen = new Map<string, string>()
    for (const { name, prefix } of this.#prefixed) {
      const other = seen.get(prefix)
      if (other !== undefined) throw new RangeError(`the servers ${other} and ${name} have the same prefix ${prefix}`)
      seen.set(prefix, name)
    }
    this.#original = new Map(
      servers.map(({ name, rename }) => [name, new Map([...rename].map(([from, to]) => [to, from]))]),
    )
  }

  /** What clients call it. */
  outward(server: string, name: string): string {
    const { prefix, rename } = this.#byName.get(server)!
    const renamed = rename.get(name) ?? name
    const plain = prefix === '' ? renamed : `${prefix}_${renamed}`
    if (valid.test(plain) && !looksShortened(plain)) {
      const meant = this.#plain(plain)
      if (meant?.server === server && meant.name === name) return plain
    }
    const hash = createHash('sha256').update(`${server}\0${name}`).digest('hex').slice(0, hashLength)
    const head = prefix === '' ? '' : `${prefix}_`
    const body = renamed.replace(/[^a-zA-Z0-9_-]+/g, '_').slice(0, longest - head.length - hashLength - 2)
    const short = `${head}${body}-x${hash}`.slice(-longest)
    if (this.#learned.size >= mostLearned) this.#learned.clear()
    this.#learned.set(short, { server, name })
    return short
  }

  /** What a client means; undefined: no server's. */
  inward(name: string): Meant | undefined {
    const learned = this.#learned.get(name)
    if (learned) return learned
    if (!looksShortened(name)) return this.#plain(name)
    const candidates = this.#servers.filter(({ prefix }) => prefix === '' || name.startsWith(`${prefix}_`))
    return candidates.length > 0 ? { candidates: candidates.map((server) => server.name) } : undefined
  }

  #plain(name: string): { server: string; name: string } | undefined {
    const owner = this.#prefixed.find(({ prefix }) => name.startsWith(`${prefix}_`)) ?? this.#bare
    if (!owner) return undefined
    const own = owner.prefix === '' ? name : name.slice(owner.prefix.length + 1)
    return { server: owner.name, name: this.#original.get(owner.name)?.get(own) ?? own }
  }

  /** A resource's URI, or a template of URIs, for clients. */
  uriOutward(server: string, uri: string): string {
    const { prefix } = this.#byName.get(server)!
    return prefix === '' ? uri : `${scheme(prefix)}+${uri}`
  }

  /** The server and its own URI; undefined: no server's. */
  uriInward(uri: string): { server: string; uri: string } | undefined {
    for (const { name, prefix } of this.#prefixed) {
      const head = `${scheme(prefix)}+`
      if (uri.startsWith(head)) return { server: name, uri: uri.slice(head.length) }
    }
    return this.#bare && { server: this.#bare.name, uri }
  }

  get servers(): readonly Named[] {
    return this.#servers
  }
}

const looksShortened = (name: string) => /-x[0-9a-f]{8}$/.test(name)

/** A prefix as the first part of a URI's scheme (RFC 3986, section 3.1). */
function scheme(prefix: string): string {
  const letters = prefix.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  return /^[a-z]/.test(letters) ? letters : `s${letters}`
}
