import type { RuleFile } from '../config/load.ts'
import { RedisListener } from '../redis-listener.ts'
import type { RedisClient } from './redis-client.ts'
import {
  CorruptRevisionError,
  hashOf,
  inOrder,
  metaOf,
  parseMeta,
  parseRevision,
  type Revision,
  type RevisionMeta,
  unfit,
} from './revision.ts'
import { type PublishOutcome, type RuleStore, StoreError, type Validate } from './rule-store.ts'

/** Compare-and-swap on the head. KEYS: head, the new revision. ARGV: parent, number, meta, revision, channel. */
const publishScript = `
local head = redis.call('HGET', KEYS[1], 'number')
if tonumber(head or '0') ~= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[2], ARGV[4])
redis.call('HSET', KEYS[1], 'number', ARGV[2], 'meta', ARGV[3])
redis.call('PUBLISH', ARGV[5], ARGV[2])
return 1`

/** Heads that the channel did not tell of are found this often. */
const pollMs = 700
const mostHistory = 200

/**
 * Rules in Redis, standalone, behind Sentinels or in a Cluster. docs/rules-in-redis.md describes the keys; all of a tenant's share
 * one hash tag.
 */
export class RedisRuleStore implements RuleStore {
  readonly #client: RedisClient
  readonly #prefix: string
  readonly #validate: Validate
  readonly #watches = new Set<() => void>()

  /**
   * @param client stays the caller's: it is not closed here
   * @param tenant whose rules: letters, digits, dots, dashes, underscores
   * @throws {RangeError} where the tenant's name is none
   */
  constructor(client: RedisClient, tenant: string, validate: Validate) {
    if (!/^[A-Za-z0-9._-]{1,63}$/.test(tenant))
      throw new RangeError('A tenant’s name is 1 to 63 letters, digits, dots, dashes or underscores.')
    this.#client = client
    this.#prefix = `chaperone:{${tenant}}:rules`
    this.#validate = validate
  }

  async head(): Promise<RevisionMeta | undefined> {
    const text = await this.#ask(() => this.#client.hget(`${this.#prefix}:head`, 'meta'))
    return text === null ? undefined : parseMeta(text, 'The head of the rules')
  }

  async revision(number: number): Promise<Revision | undefined> {
    const text = await this.#ask(() => this.#client.get(this.#revisionKey(number)))
    if (text === null) return undefined
    const revision = parseRevision(text, `Revision ${number}`)
    if (revision.number !== number) throw new CorruptRevisionError(`Revision ${number} is another one`)
    return revision
  }

  async history({ before, limit = 20 }: { before?: number; limit?: number } = {}): Promise<RevisionMeta[]> {
    const top = Math.min((before ?? Number.POSITIVE_INFINITY) - 1, (await this.head())?.number ?? 0)
    const count = Math.min(limit, mostHistory, top)
    const numbers = Array.from({ length: Math.max(0, count) }, (_, index) => top - index)
    const found = await Promise.all(
      numbers.map((number) => this.revision(number).catch((error) => damaged(error, number))),
    )
    return found.filter((revision) => revision !== undefined).map(metaOf)
  }

  async publish(
    files: readonly RuleFile[],
    { author, message, parent }: { author: string; message: string; parent: number },
  ): Promise<PublishOutcome> {
    const why = unfit(files)
    if (why !== undefined) throw new StoreError(`This cannot be published: ${why}.`)
    const diagnostics = this.#validate(files)
    if (diagnostics.length > 0) return { type: 'invalid', diagnostics }
    const head = await this.head()
    const hash = hashOf(files)
    if (head?.hash === hash) return { type: 'unchanged', head }
    if ((head?.number ?? 0) !== parent) return { type: 'conflict', head }
    const revision: Revision = {
      number: parent + 1,
      hash,
      author,
      message,
      parent,
      time: Date.now(),
      files: inOrder(files),
    }
    const meta = metaOf(revision)
    const done = await this.#ask(() =>
      this.#client.eval(
        publishScript,
        2,
        `${this.#prefix}:head`,
        this.#revisionKey(revision.number),
        parent,
        revision.number,
        JSON.stringify(meta),
        JSON.stringify(revision),
        this.#prefix,
      ),
    )
    return done === 1 ? { type: 'published', revision: meta } : { type: 'conflict', head: await this.head() }
  }

  watch(onHead: (head: RevisionMeta) => void): () => void {
    let known: string | undefined
    let looking = false
    let again = false
    let ended = false
    const look = async (): Promise<void> => {
      if (looking) {
        again = true
        return
      }
      looking = true
      try {
        do {
          again = false
          const head = await this.head()
          const id = head && `${head.number} ${head.hash}`
          // No head at all is a Redis that lost its data: what is known stays in force.
          if (head && id !== known && !ended) {
            known = id
            onHead(head)
          }
        } while (again)
      } catch {
        // Whoever reads or publishes is told that Redis is away; the next look may find it.
      } finally {
        looking = false
      }
    }
    // Without the channel a new head is still seen by asking.
    const listener = new RedisListener(this.#client, this.#prefix, () => void look())
    const timer = setInterval(() => void look(), pollMs)
    void look()
    const stop = () => {
      ended = true
      clearInterval(timer)
      listener.close()
      this.#watches.delete(stop)
    }
    this.#watches.add(stop)
    return stop
  }

  close(): Promise<void> {
    for (const stop of this.#watches) stop()
    return Promise.resolve()
  }

  #revisionKey(number: number): string {
    return `${this.#prefix}:revision:${number}`
  }

  async #ask<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (cause) {
      const { message } = cause as Error
      const why = /READONLY/.test(message)
        ? 'it is a replica that takes no changes'
        : /NOAUTH|WRONGPASS|NOPERM/.test(message)
          ? 'the user or password may not do this'
          : /WRONGTYPE/.test(message)
            ? 'something else is kept under the key of the rules'
            : 'it does not answer'
      throw new StoreError(`Redis cannot be used: ${why}.`, { cause })
    }
  }
}

/** A damaged revision does not hide the others. */
function damaged(error: unknown, number: number): RevisionMeta | undefined {
  if (!(error instanceof CorruptRevisionError)) throw error
  return { number, hash: '0'.repeat(64), author: '', message: '(damaged)', parent: number - 1, time: 0 }
}
