import { existsSync, readFileSync } from 'node:fs'
import { KubeConfig } from '@kubernetes/client-node'
import { type Kind, type KindInfo, kindOf, kinds } from '../kinds.ts'
import type { KubeObject } from '../object.ts'
import type { ObjectSource } from '../source.ts'
import type { StatusUpdate } from '../statuses.ts'
import { ClusterApi } from './api.ts'
import { Leader } from './leader.ts'
import { Reflector, type ReflectorOptions } from './reflector.ts'
import { StatusWriter } from './status-writer.ts'

export interface ClusterOptions {
  /** Of the kubeconfig; undefined: its current one, or the pod's own account. */
  readonly context?: string | undefined
  /** The namespaces whose objects are read; undefined: all. */
  readonly namespaces?: readonly string[] | undefined
  readonly leaderElection: boolean
  /** The name of our controller: those of one name elect a leader among them. */
  readonly controller: string
  readonly report: (message: string) => void
  readonly times?: ReflectorOptions['times']
}

const startMs = 60_000
const namespaceFile = '/var/run/secrets/kubernetes.io/serviceaccount/namespace'

/** Objects of a cluster, and their statuses. @throws {Error} where there is no cluster */
export function clusterSource(options: ClusterOptions): ObjectSource {
  const config = new KubeConfig()
  config.loadFromDefault()
  if (options.context !== undefined) {
    if (!config.getContextObject(options.context)) throw new Error(`The kubeconfig has no context ${options.context}.`)
    config.setCurrentContext(options.context)
  }
  const own = config.getContextObject(config.getCurrentContext())?.namespace
  const namespace = own ?? (existsSync(namespaceFile) ? readFileSync(namespaceFile, 'utf8').trim() : 'default')
  return new ClusterObjects(new ClusterApi(config), namespace, options)
}

class ClusterObjects implements ObjectSource {
  readonly place = 'cluster'
  readonly #api: ClusterApi
  readonly #options: ClusterOptions
  readonly #reflectors = new Map<Kind, Reflector[]>()
  readonly #writer: StatusWriter
  readonly #leader: Leader | undefined
  #changed: () => void = () => undefined
  #started = false

  /** @param namespace where the leader's lease is */
  constructor(api: ClusterApi, namespace: string, options: ClusterOptions) {
    this.#api = api
    this.#options = options
    const { report, controller } = options
    if (options.leaderElection)
      this.#leader = new Leader({ api, namespace, name: controller.replace(/[^a-z0-9.-]/g, '-'), report })
    this.#writer = new StatusWriter({
      api,
      leads: () => this.#leader?.leads ?? true,
      written: (object) => {
        const kind = kindOf(object)
        if (kind) for (const reflector of this.#reflectors.get(kind) ?? []) reflector.put(object)
      },
      report,
    })
  }

  async start(changed: () => void): Promise<void> {
    this.#changed = changed
    for (const [name, kind] of Object.entries(kinds) as [Kind, KindInfo][]) {
      const { namespaces } = this.#options
      const places = kind.namespaced && namespaces ? namespaces : [undefined]
      this.#reflectors.set(
        name,
        places.map(
          (namespace) =>
            new Reflector({
              api: this.#api,
              kind,
              namespace,
              changed: () => this.#started && this.#changed(),
              report: this.#options.report,
              ...(this.#options.times && { times: this.#options.times }),
            }),
        ),
      )
    }
    const all = [...this.#reflectors.values()].flat().map(({ ready }) => ready)
    await within(Promise.all(all), startMs)
    this.#started = true
    // A new leader writes what the one before did not.
    this.#leader?.start(() => this.#changed())
  }

  *objects(): Iterable<KubeObject> {
    for (const reflectors of this.#reflectors.values()) for (const reflector of reflectors) yield* reflector.objects()
  }

  write(updates: readonly StatusUpdate[]): void {
    this.#writer.write(updates)
  }

  async stop(): Promise<void> {
    this.#writer.stop()
    await this.#leader?.stop()
    await Promise.all([...this.#reflectors.values()].flat().map((reflector) => reflector.stop()))
  }
}

/** Whoever starts this may start it again. @throws {Error} */
async function within(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The cluster did not show its objects within ${ms / 1000} s.`)), ms)
  })
  try {
    await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
