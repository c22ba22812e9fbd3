import { createHash } from 'node:crypto'
import type { Finding } from '../config/check.ts'
import { type Rules, type RulesInput, rulesSchema } from '../config/schema.ts'
import type { ObjectReference } from '../config/secrets.ts'
import { conditionsOf, no } from './condition.ts'
import { Inventory } from './object.ts'
import type { TranslateOptions } from './options.ts'
import type { ObjectSource } from './source.ts'
import type { StatusUpdate } from './statuses.ts'
import { type Translation, translate } from './translate.ts'

export interface ControllerOptions {
  readonly source: ObjectSource
  /** The gateway's own rules as they are now. */
  base(): RulesInput
  readonly options: Omit<TranslateOptions, 'now' | 'taken'>
  /** Looks for what only others can know of in rules. */
  further(rules: Rules): Finding[]
  /** Told of what is wrong and no object's own, once. */
  report(message: string): void
}

/** Changes come in crowds; they are waited for this long. */
const settleMs = 100
/** Between two translations there is at least this many times what one took: requests are to be decided meanwhile. */
const restFactor = 5

type Put = (rules: Rules, from: { objects: 'files' | 'cluster' }) => Promise<string | undefined>

/** Keeps the rules as the objects mean them, and the statuses as the rules are. */
export class GatewayApi {
  readonly #options: ControllerOptions
  #inventory = new Inventory([])
  #inForce = ''
  #refused: { id: string; why: string } | undefined
  #put: Put | undefined
  #timer: NodeJS.Timeout | undefined
  #working: Promise<void> = Promise.resolve()
  #reported = new Set<string>()
  #stopped = false
  /** How long the last translation took. */
  #lastMs = 0

  constructor(options: ControllerOptions) {
    this.#options = options
  }

  /** Waits for the objects. @returns the rules to begin with; where there is no Gateway yet, they serve nothing. @throws {Error} */
  async first(): Promise<Rules> {
    await this.#options.source.start(() => this.changed())
    const { rules } = this.#translate()
    this.#inForce = this.#idOf(rules)
    return rules
  }

  /** From now on each change is put into force. */
  follow(put: Put): { stop(): void } {
    this.#put = put
    // Statuses of the beginning, and what has changed since.
    this.changed()
    return { stop: () => void this.stop() }
  }

  /** Objects, or the gateway's own rules, are others than before. */
  changed(): void {
    if (this.#timer || this.#stopped) return
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        this.#working = this.#working.then(() => this.#work()).catch((error) => this.#say(String(error)))
      },
      Math.max(settleMs, this.#lastMs * restFactor),
    )
  }

  /** The text of a Secret or a ConfigMap as it is now. */
  readonly text = ({ kind, namespace, name, key }: ObjectReference): string | undefined =>
    this.#inventory.text(kind === 'secret' ? 'Secret' : 'ConfigMap', namespace, name, key)

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#options.source.stop()
    await this.#working
  }

  async #work(): Promise<void> {
    if (!this.#put || this.#stopped) return
    const { rules, statuses } = this.#translate()
    const id = this.#idOf(rules)
    if (id !== this.#inForce && id !== this.#refused?.id) {
      const why = await this.#put(rules, { objects: this.#options.source.place })
      if (why === undefined) {
        this.#inForce = id
        this.#refused = undefined
      } else this.#refused = { id, why }
    }
    if (id === this.#inForce) this.#refused = undefined
    const why = this.#refused?.id === id ? this.#refused.why : undefined
    this.#options.source.write(why === undefined ? statuses : statuses.map((each) => notProgrammed(each, why)))
  }

  #translate(): { rules: Rules; statuses: Translation['statuses'] } {
    const { source, base, options, further } = this.#options
    const began = performance.now()
    const objects = [...source.objects()]
    const own = base()
    this.#inventory = new Inventory(objects)
    const { rules, statuses, findings } = translate(
      objects,
      own,
      { ...options, now: new Date().toISOString().replace(/\.\d+Z$/, 'Z'), taken: takenPorts(own) },
      further,
    )
    this.#lastMs = performance.now() - began
    const now = new Set(findings)
    for (const finding of now) if (!this.#reported.has(finding)) this.#say(finding)
    this.#reported = now
    return { rules: rules ?? nothing(own), statuses }
  }

  #say(message: string): void {
    this.#options.report(message)
  }

  /** Changes with the rules, and with what their references stand for. */
  #idOf(rules: Rules): string {
    const text = JSON.stringify(rules)
    const hash = createHash('sha256').update(text)
    for (const [, kind, namespace, name, key] of text.matchAll(
      /\$\{(secret|configMap):([a-z0-9.-]+)\/([a-z0-9.-]+)\/([-._a-zA-Z0-9]+)\}/g,
    ))
      hash.update(
        `\0${this.text({ kind: kind as ObjectReference['kind'], namespace: namespace!, name: name!, key: key! }) ?? ''}`,
      )
    return hash.digest('hex')
  }
}

/** The ports of the gateway's own. */
export function takenPorts({ telemetry, listeners }: RulesInput): ReadonlyMap<number, string> {
  const taken = new Map([[telemetry?.port ?? 10_001, 'where this gateway’s metrics are']])
  for (const [name, { port }] of Object.entries(listeners ?? {}))
    taken.set(port ?? 10_000, `that of the listener ${name} of the gateway’s own rules`)
  return taken
}

/** The gateway's own rules without any listener of a Gateway. */
export function nothing(base: RulesInput): Rules {
  const rules = rulesSchema.parse(base)
  return base.listeners === undefined ? { ...rules, listeners: {}, http: { ...rules.http, routes: [] } } : rules
}

/** A Gateway whose configuration Envoy, or the service, has refused. */
function notProgrammed(update: StatusUpdate, why: string): StatusUpdate {
  const { object, status } = update
  if (object.kind !== 'Gateway') return update
  const refused = (conditions: unknown): unknown =>
    (conditions as { type: string; status: string; observedGeneration?: number; lastTransitionTime: string }[]).map(
      (each) =>
        each.type === 'Programmed' && each.status === 'True'
          ? conditionsOf(
              [no('Programmed', 'Invalid', `the configuration was refused, and the one before stays: ${why}`)],
              each.observedGeneration,
              (object.status as { conditions?: unknown[] } | undefined)?.conditions,
              new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
            )[0]
          : each,
    )
  return { object, status: { ...status, conditions: refused(status.conditions) } }
}
