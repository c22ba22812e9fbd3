import { createHash } from 'node:crypto'
import { askAdmin } from './admin.ts'
import type { EnvoyConfig } from './xds/resources.ts'

/** The clusters of an Envoy, by name only; those it was started with and those it was told of. */
const clusterPaths = ['static', 'dynamic_active'].map(
  (kind) => `/config_dump?resource=${kind}_clusters&mask=cluster.name`,
)

/**
 * A cluster that leads nowhere and only says by its name of which listeners and routes a rendered configuration is: whoever has it
 * has those as well, as both are told together.
 */
export function markerOf({ listener, route }: EnvoyConfig): string {
  const content = JSON.stringify([[...listener], [...route]])
  return `chaperone/${createHash('sha256').update(content).digest('hex').slice(0, 16)}`
}

/** An Envoy that somebody else tells what it is to do, as its admin interface shows it. */
export class AttachedEnvoy {
  readonly #admin: string

  /** @param admin path of its admin interface's unix socket, or its address: `http://127.0.0.1:15000` */
  constructor(admin: string) {
    this.#admin = admin
  }

  /**
   * What Envoy does not have of a configuration.
   * @returns names of clusters; the marker's where its listeners or routes are others
   * @throws {Error} where its admin interface does not answer
   */
  async missing(config: EnvoyConfig): Promise<string[]> {
    const answers = await Promise.all(clusterPaths.map((path) => askAdmin(this.#admin, path)))
    const known = new Set(answers.flatMap((answer) => namesIn(JSON.parse(answer) as ClusterDump)))
    return [...config.cluster.keys(), markerOf(config)].filter((name) => !known.has(name))
  }
}

/** envoy.admin.v3.ConfigDump, masked. */
interface ClusterDump {
  configs?: { cluster?: { name?: string } }[]
}

function namesIn({ configs = [] }: ClusterDump): string[] {
  return configs.flatMap(({ cluster }) => (cluster?.name === undefined ? [] : [cluster.name]))
}

export interface AttachedWatchOptions {
  envoy: Pick<AttachedEnvoy, 'missing'>
  /** @returns what Envoy should have, by the rules in force */
  config(): EnvoyConfig
  /** Told of the first, and when it is another than before. @param missing an error where Envoy cannot be asked */
  changed(missing: readonly string[] | Error): void
  /** How often Envoy is asked, ms. */
  everyMs?: number
}

/** Looks again and again whether an Envoy that somebody else tells has what the rules need. */
export class AttachedWatch {
  readonly #options: AttachedWatchOptions
  #before: string | undefined
  #again: (() => Promise<unknown>) | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: AttachedWatchOptions) {
    this.#options = options
  }

  start(): void {
    void this.#look()
  }

  /** What is to be tried after each look until it is taken back; it may end with an error. */
  retry(again: (() => Promise<unknown>) | undefined): void {
    this.#again = again
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #look(): Promise<void> {
    const { envoy, config, changed, everyMs = 3_000 } = this.#options
    const missing = await envoy.missing(config()).catch((error: Error) => error)
    if (this.#stopped) return
    const now = missing instanceof Error ? missing.message : missing.join(' ')
    if (now !== this.#before) changed(missing)
    this.#before = now
    await this.#again?.().catch(() => undefined)
    if (this.#stopped) return
    this.#timer = setTimeout(() => void this.#look(), everyMs)
    this.#timer.unref()
  }
}
