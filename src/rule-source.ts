import type { RuleFile } from './config/load.ts'
import type { Rules } from './config/schema.ts'
import { watchRules } from './config/watch.ts'
import type { LastGood } from './store/last-good.ts'
import type { Revision } from './store/revision.ts'
import { RuleFollower } from './store/rule-follower.ts'
import type { RuleStore } from './store/rule-store.ts'

/** Where rules are from, for the log and for what is told of decisions. */
export interface RulesOrigin {
  readonly file?: string
  /** The objects of the Kubernetes Gateway API that they were made of are files, or a cluster’s. */
  readonly objects?: 'files' | 'cluster'
  readonly revision?: number
  readonly author?: string
}

/**
 * Puts rules into force: the texts of files, or rules that were made of something else and checked.
 * @returns why they cannot be, in one line, or undefined; the whole is in the log
 */
export type PutIntoForce = (rules: readonly RuleFile[] | Rules, from: RulesOrigin) => Promise<string | undefined>

/** Where changed rules come from while the service runs. */
export interface RuleSource {
  /** @param report told of what is wrong with the source itself */
  follow(put: PutIntoForce, report: (error: unknown) => void): { stop(): void }
}

/** A file that is watched. */
export function fileSource(path: string): RuleSource {
  return {
    follow: (put) => watchRules(path, (text) => void put([{ name: path, text }], { file: path })),
  }
}

/** A store whose heads are followed. */
export class StoreSource implements RuleSource {
  readonly #follower: RuleFollower
  #put: PutIntoForce = () => Promise.resolve('the service has not started yet')
  #report: (error: unknown) => void

  /** @param report told of what is wrong before the service runs */
  constructor({ store, lastGood }: { store: RuleStore; lastGood: LastGood }, report: (error: unknown) => void) {
    this.#report = report
    this.#follower = new RuleFollower({
      store,
      lastGood,
      apply: ({ files, number, author }) => this.#put(files, { revision: number, ...(author !== '' && { author }) }),
      events: {
        // Whoever puts rules into force says how it went.
        applied: () => undefined,
        refused: () => undefined,
        failed: (error) => this.#report(error),
      },
    })
  }

  /** The revision to begin with. @throws {StoreError} where none is to be had */
  first(): Promise<Revision> {
    return this.#follower.first()
  }

  follow(put: PutIntoForce, report: (error: unknown) => void): { stop(): void } {
    this.#put = put
    this.#report = report
    this.#follower.follow()
    return this.#follower
  }
}
