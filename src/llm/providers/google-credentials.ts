import { statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { AnyAuthClient, GoogleAuth } from 'google-auth-library'
import { CredentialError } from './provider.ts'
import { type Fresh, Refreshing } from './refreshing.ts'

const scopes = 'https://www.googleapis.com/auth/cloud-platform'

/** How often the credentials file is looked at, in milliseconds. */
const lookEvery = 1000

/** The kinds of credentials files an operator may name. Google asks users of its library to check this. */
const kinds = new Set([
  'service_account',
  'authorized_user',
  'external_account',
  'external_account_authorized_user',
  'impersonated_service_account',
])

/**
 * Access tokens of Google Cloud, by google-auth-library, which is loaded when the first one is needed. A token is kept
 * until shortly before it expires; a credentials file that was replaced is read anew.
 */
export class GoogleCredentials {
  readonly #provider: string
  readonly #file: string | undefined
  readonly #now: () => number
  readonly #token: Refreshing<Readonly<Record<string, string>>>
  #client: Promise<AnyAuthClient> | undefined
  #seen: string | undefined
  #lookedAt = Number.NEGATIVE_INFINITY

  /**
   * @param provider the provider's name in the rules
   * @param file a credentials file; absent: Application Default Credentials
   */
  constructor(provider: string, file: string | undefined, now: () => number = Date.now) {
    this.#provider = provider
    this.#file = file
    this.#now = now
    this.#token = new Refreshing(() => this.#fetch(), {
      // Less than the library's own five minutes: it would hand out its cached token again.
      early: 240_000,
      keep: 300_000,
      pause: 2000,
      timeout: 20_000,
      now,
    })
  }

  /**
   * The headers of a request: `authorization`, and `x-goog-user-project` where the credentials name a quota project.
   * @throws {CredentialError} (rejects) where no token can be had
   */
  headers(): Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>> {
    this.#look()
    return this.#token.get()
  }

  /** A stat a second is cheaper than a watcher, and sees through the symbolic links of mounted secrets. */
  #look(): void {
    const now = this.#now()
    if (this.#file === undefined || now - this.#lookedAt < lookEvery) return
    this.#lookedAt = now
    const stat = statSync(this.#file, { throwIfNoEntry: false })
    // Gone for the moment, as during a rotation: the token at hand stays good.
    if (!stat) return
    const seen = `${stat.ino}:${stat.mtimeMs}:${stat.size}`
    if (this.#seen !== undefined && this.#seen !== seen) {
      this.#client = undefined
      this.#token.forget()
    }
    this.#seen = seen
  }

  async #fetch(): Promise<Fresh<Readonly<Record<string, string>>>> {
    try {
      this.#client ??= this.#connect()
      const client = await this.#client
      const headers = Object.fromEntries(await client.getRequestHeaders())
      const expires = client.credentials.expiry_date
      return expires ? { value: headers, expires } : { value: headers }
    } catch (error) {
      this.#client = undefined
      throw new CredentialError(
        `provider ${this.#provider}: no Google access token from ${this.#file ?? 'Application Default Credentials'}: ${reason(error)}`,
      )
    }
  }

  async #connect(): Promise<AnyAuthClient> {
    const file = this.#file
    const credentials = file === undefined ? undefined : await readCredentials(file)
    const library = await import('google-auth-library')
    const auth: GoogleAuth = new library.GoogleAuth({ scopes, ...(credentials && { credentials }) })
    return auth.getClient()
  }
}

async function readCredentials(file: string): Promise<object> {
  const text = await readFile(file, 'utf8')
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // The parser's own message quotes the text, which may be a key.
    throw new CredentialError('the file is not valid JSON')
  }
  const type = typeof json === 'object' && json !== null && 'type' in json ? json.type : undefined
  if (typeof type !== 'string' || !kinds.has(type))
    throw new CredentialError(`the file's \`type\` is none of ${[...kinds].join(', ')}`)
  return json as object
}

/** An error's first line. The error itself stays out of logs: it may hold the whole token request. */
function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n', 1)[0]!.slice(0, 300)
}
