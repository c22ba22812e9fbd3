import { readFile, stat } from 'node:fs/promises'
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  type FetchImplementation,
  type JWTVerifyGetKey,
} from 'jose'

/** The key sets of issuers. They outlive the revisions of the rules, so that a new revision fetches nothing again. */

const largestBytes = 512 * 1024
const timeoutMs = 3000
/** An unknown `kid` asks again at most this often: tokens of nobody's making must not become a flood of requests. */
const cooldownMs = 30_000
/** A key that its issuer withdrew is believed for at most this long. */
const maxAgeMs = 5 * 60_000
/** An issuer that does not answer is not asked again for this long. */
const backOffMs = 2000
/** For this long an issuer that does not answer is believed to have the keys it had. */
const staleMs = 60 * 60_000
/** How often a file is looked at. */
const fileMs = 500

/** The keys of an issuer cannot be had now: no token of it can be checked. */
export class KeySetError extends Error {
  override readonly name = 'KeySetError'
}

export interface KeySetsOptions {
  /** Told when an issuer's keys cannot be had, with what they are wanted from. */
  report(error: KeySetError): void
  /** The process's own `fetch`. */
  fetch?: FetchImplementation
}

/** The key sets, by where they are. */
export class KeySets {
  readonly #sets = new Map<string, JWTVerifyGetKey>()
  readonly #options: KeySetsOptions

  constructor(options: KeySetsOptions) {
    this.#options = options
  }

  /** @returns the keys at a URI: fetched when they are first wanted, every five minutes, and for an unknown `kid` */
  at(uri: string): JWTVerifyGetKey {
    return this.#known(uri, () => {
      const set = createRemoteJWKSet(new URL(uri), {
        timeoutDuration: timeoutMs,
        cooldownDuration: cooldownMs,
        cacheMaxAge: maxAgeMs,
        [customFetch]: carefulFetch(uri, this.#options),
      })
      return (header, token) => set(header, token)
    })
  }

  /** @returns the keys in a file, which is read again when it changes */
  in(file: string): JWTVerifyGetKey {
    return this.#known(`file:${file}`, () => keysInFile(file, this.#options))
  }

  #known(place: string, make: () => JWTVerifyGetKey): JWTVerifyGetKey {
    let set = this.#sets.get(place)
    if (!set) {
      set = make()
      this.#sets.set(place, set)
    }
    return set
  }
}

/** Fetches with bounds, and answers with what it got last where the issuer does not answer. */
function carefulFetch(uri: string, options: KeySetsOptions): FetchImplementation {
  const doFetch: FetchImplementation = options.fetch ?? ((url, init) => fetch(url, init))
  let good: { readonly text: string; readonly atMs: number } | undefined
  let failed: { readonly error: KeySetError; readonly atMs: number } | undefined
  return async (url, init) => {
    if (!failed || Date.now() - failed.atMs >= backOffMs)
      try {
        good = { text: await fetchText(doFetch, url, init), atMs: Date.now() }
        failed = undefined
      } catch (cause) {
        const error = new KeySetError(`the keys at ${uri} cannot be had: ${(cause as Error).message}`, { cause })
        failed = { error, atMs: Date.now() }
        options.report(error)
      }
    if (good && (!failed || Date.now() - good.atMs < staleMs)) return new Response(good.text)
    throw failed?.error
  }
}

async function fetchText(
  doFetch: FetchImplementation,
  url: string,
  init: Parameters<FetchImplementation>[1],
): Promise<string> {
  const response = await doFetch(url, init)
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`status ${response.status}`)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > largestBytes) throw new Error(`it is larger than ${largestBytes} bytes`)
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString('utf8')
  parseKeys(text)
  return text
}

/** @throws {Error} where the text is no key set */
function parseKeys(text: string): JWTVerifyGetKey {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error('it is no JSON')
  }
  return createLocalJWKSet(value as Parameters<typeof createLocalJWKSet>[0])
}

function keysInFile(file: string, options: KeySetsOptions): JWTVerifyGetKey {
  let keys: JWTVerifyGetKey | undefined
  let mark = ''
  let error: KeySetError | undefined
  let lookedAtMs = Number.NEGATIVE_INFINITY
  let looking: Promise<void> | undefined

  const look = async () => {
    try {
      const { ino, size, mtimeNs } = await stat(file, { bigint: true })
      const now = `${ino} ${size} ${mtimeNs}`
      if (now === mark) return
      if (size > largestBytes) throw new Error(`it is larger than ${largestBytes} bytes`)
      keys = parseKeys(await readFile(file, 'utf8'))
      mark = now
      error = undefined
    } catch (cause) {
      const message = `the keys in ${file} cannot be read: ${(cause as Error).message}`
      // Said once. The keys of before stay in use, as long as it may take to put the file right.
      if (error?.message !== message) options.report(new KeySetError(message, { cause }))
      error = new KeySetError(message, { cause })
    } finally {
      lookedAtMs = performance.now()
      looking = undefined
    }
  }

  return async (header, token) => {
    if (performance.now() - lookedAtMs >= fileMs) {
      looking ??= look()
      await looking
    }
    if (!keys) throw error
    return await keys(header, token)
  }
}
