import { isDeepStrictEqual } from 'node:util'
import { kindOf, kinds } from '../kinds.ts'
import { called, type KubeObject } from '../object.ts'
import type { StatusUpdate } from '../statuses.ts'
import { ClusterApi as Api, ApiError, type ClusterApi } from './api.ts'

export interface StatusWriterOptions {
  readonly api: ClusterApi
  /** Whether this service is the one that writes. */
  leads(): boolean
  /** Told of an object as it is after its status was written. */
  written(object: KubeObject): void
  report(message: string): void
}

const atOnce = 8
const retryMs = 1000

/**
 * Writes statuses that are not as they should be. An object that has changed meanwhile is left alone: what it is now makes a status of
 * its own.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions
  #wanted = new Map<string, StatusUpdate>()
  /** What is being written now. */
  readonly #flying = new Map<string, StatusUpdate['status']>()
  #failed = new Set<string>()
  #retry: NodeJS.Timeout | undefined
  #stopped = false
  readonly #aborting = new AbortController()

  constructor(options: StatusWriterOptions) {
    this.#options = options
  }

  /** What all statuses should be now; what was wanted before and is not any more is forgotten. */
  write(updates: readonly StatusUpdate[]): void {
    this.#wanted = new Map(
      updates
        .filter(({ object, status }) => !isDeepStrictEqual(merged(object, status), object.status ?? {}))
        // The watch has not told yet what was written.
        .filter(
          ({ object, status }) => !isDeepStrictEqual(timeless(this.#flying.get(called(object))), timeless(status)),
        )
        .map((update) => [called(update.object), update]),
    )
    this.#work()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#retry)
    this.#wanted.clear()
    this.#aborting.abort()
  }

  #work(): void {
    if (this.#stopped || !this.#options.leads()) return
    for (const [name, update] of this.#wanted) {
      if (this.#flying.size >= atOnce) return
      if (this.#flying.has(name)) continue
      this.#wanted.delete(name)
      this.#flying.set(name, update.status)
      void this.#one(name, update).finally(() => {
        this.#flying.delete(name)
        this.#work()
      })
    }
  }

  async #one(name: string, { object, status }: StatusUpdate): Promise<void> {
    const kind = kindOf(object)
    if (!kind) return
    const { metadata } = object
    try {
      const path = Api.path(kinds[kind], metadata.namespace, metadata.name, 'status')
      const body = { ...object, status: merged(object, status) }
      const now = await this.#options.api.ask<KubeObject>('PUT', path, body, this.#aborting.signal)
      this.#failed.delete(name)
      this.#options.written({ ...now, apiVersion: object.apiVersion, kind: object.kind })
    } catch (error) {
      if (this.#stopped) return
      const { status: code = 0 } = error instanceof ApiError ? error : {}
      // It was changed, or it is gone: the watch says so, and then there is another status to write.
      if (code === 409 || code === 404) return
      if (!this.#failed.has(name))
        this.#options.report(`the status of ${name} cannot be written: ${(error as Error).message}`)
      this.#failed.add(name)
      if (code === 0 || code === 429 || code >= 500) {
        if (!this.#wanted.has(name)) this.#wanted.set(name, { object, status })
        clearTimeout(this.#retry)
        this.#retry = setTimeout(() => this.#work(), retryMs)
      }
    }
  }
}

/** A status with what else stands in it. */
function merged({ status }: KubeObject, ours: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...(status as object | undefined), ...ours }
  return merged
}

/** A status without the times of its conditions, which are anew in each translation until they stand in the object. */
function timeless(status: unknown): unknown {
  return status === undefined
    ? undefined
    : JSON.parse(JSON.stringify(status, (key, value) => (key === 'lastTransitionTime' ? undefined : value)))
}
