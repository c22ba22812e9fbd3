import { apiVersionOf, type KindInfo } from '../kinds.ts'
import { type KubeObject, nameOf } from '../object.ts'
import { ClusterApi as Api, ApiError, type ClusterApi, type ListPage } from './api.ts'

export interface ReflectorOptions {
  readonly api: ClusterApi
  readonly kind: KindInfo
  /** Undefined: all. */
  readonly namespace: string | undefined
  /** Told after each change. */
  changed(): void
  /** Told of what is wrong, once an outage. */
  report(message: string): void
  /** Times, for tests. */
  readonly times?: Partial<Times>
}

interface Times {
  /** The first pause after something went wrong, ms; each further one is twice as long. */
  readonly retryMs: number
  readonly longestRetryMs: number
  /** How often a kind is looked for that is not there, ms. */
  readonly missingMs: number
  /** How long a watch lasts before everything is read again, so that nothing that was missed is missed for long, ms. */
  readonly resyncMs: number
}

const defaultTimes: Times = { retryMs: 250, longestRetryMs: 30_000, missingMs: 5_000, resyncMs: 600_000 }
const pageSize = 500

/** Objects of one kind as the API server has them: a list, and a watch from there on. */
export class Reflector {
  readonly #options: ReflectorOptions
  readonly #times: Times
  readonly #abort = new AbortController()
  #objects = new Map<string, KubeObject>()
  #ready: () => void = () => undefined
  /** Settled when the objects are there, or the kind is known to be missing. */
  readonly ready: Promise<void>
  #failures = 0
  #missing = false
  readonly #running: Promise<void>

  constructor(options: ReflectorOptions) {
    this.#options = options
    this.#times = { ...defaultTimes, ...options.times }
    this.ready = new Promise((resolve) => {
      this.#ready = resolve
    })
    this.#running = this.#run()
  }

  objects(): Iterable<KubeObject> {
    return this.#objects.values()
  }

  /** Puts an object in its place as the API server gave it back, so that what was written is known before the watch tells it. */
  put(object: KubeObject): void {
    if (this.#objects.has(nameOf(object))) this.#objects.set(nameOf(object), object)
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      try {
        const version = await this.#list()
        this.#failures = 0
        if (this.#missing) {
          this.#missing = false
          this.#options.report(`objects of the kind ${this.#called} are there now`)
        }
        this.#ready()
        await this.#watch(version)
      } catch (error) {
        if (signal.aborted) return
        await this.#failed(error)
      }
    }
  }

  get #called(): string {
    const { kind } = this.#options
    return `${kind.kind} (${apiVersionOf(kind)})`
  }

  async #failed(error: unknown): Promise<void> {
    const status = error instanceof ApiError ? error.status : 0
    // The watch is too old: the list is read again at once.
    if (status === 410) return
    if (status === 404) {
      if (!this.#missing)
        this.#options.report(
          `the cluster does not know the kind ${this.#called}: install its CRD; all other kinds are read`,
        )
      this.#missing = true
      if (this.#objects.size > 0) {
        this.#objects = new Map()
        this.#options.changed()
      }
      this.#ready()
      return pause(this.#times.missingMs, this.#abort.signal)
    }
    if (this.#failures++ === 0)
      this.#options.report(
        `objects of the kind ${this.#called} cannot be read: ${messageOf(error)}; those known stay in force`,
      )
    // What may not be read is not waited for, so that the rest can be served.
    if (status === 403) this.#ready()
    const wait = Math.min(this.#times.longestRetryMs, this.#times.retryMs * 2 ** Math.min(this.#failures - 1, 10))
    // Not all at once, where many wait for the same server.
    return pause(wait * (0.75 + Math.random() / 2), this.#abort.signal)
  }

  /** @returns the version that the list is of */
  async #list(): Promise<string> {
    const { api, kind, namespace } = this.#options
    const found = new Map<string, KubeObject>()
    let next: string | undefined
    let version = ''
    do {
      const query = new URLSearchParams({ limit: String(pageSize), ...(next !== undefined && { continue: next }) })
      const page: ListPage = await api.ask(
        'GET',
        `${Api.path(kind, namespace)}?${query}`,
        undefined,
        this.#abort.signal,
      )
      for (const item of page.items ?? []) this.#take(found, item)
      version = page.metadata.resourceVersion ?? ''
      next = page.metadata.continue || undefined
    } while (next !== undefined)
    const before = this.#objects
    this.#objects = found
    if (!same(before, found)) this.#options.changed()
    return version
  }

  /** Items of a list do not say what they are. */
  #take(objects: Map<string, KubeObject>, object: KubeObject): void {
    const { kind } = this.#options
    const whole: KubeObject = { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind }
    objects.set(nameOf(whole), whole)
  }

  async #watch(from: string): Promise<void> {
    const { api, kind, namespace, changed } = this.#options
    const { signal } = this.#abort
    const resync = AbortSignal.timeout(this.#times.resyncMs)
    const either = AbortSignal.any([signal, resync])
    let version = from
    while (!either.aborted) {
      const query = new URLSearchParams({
        watch: 'true',
        resourceVersion: version,
        allowWatchBookmarks: 'true',
        timeoutSeconds: '300',
      })
      const began = performance.now()
      try {
        for await (const { type, object } of api.watch(`${Api.path(kind, namespace)}?${query}`, either)) {
          if (type === 'ERROR') throw new ApiError(object.code ?? 0, object.message ?? 'the watch failed')
          version = object.metadata.resourceVersion ?? version
          if (type === 'BOOKMARK') continue
          if (type === 'DELETED') this.#objects.delete(nameOf(object))
          else this.#take(this.#objects, object)
          changed()
        }
      } catch (error) {
        if (resync.aborted && !signal.aborted) return
        throw error
      }
      // A server that ends every watch at once is not asked again and again.
      if (performance.now() - began < 1000) await pause(this.#times.retryMs, either)
    }
  }
}

function same(before: ReadonlyMap<string, KubeObject>, after: ReadonlyMap<string, KubeObject>): boolean {
  if (before.size !== after.size) return false
  for (const [name, { metadata }] of after)
    if (before.get(name)?.metadata.resourceVersion !== metadata.resourceVersion) return false
  return true
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
