import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { KindInfo } from '../kinds.ts'
import { ClusterApi as Api, ApiError, type ClusterApi } from './api.ts'

const lease: KindInfo = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
}

interface LeaseObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace: string; readonly resourceVersion?: string }
  readonly spec?: {
    readonly holderIdentity?: string | null
    readonly leaseDurationSeconds?: number
    readonly renewTime?: string | null
    readonly acquireTime?: string
    readonly leaseTransitions?: number
  }
}

export interface LeaderOptions {
  readonly api: ClusterApi
  readonly namespace: string
  readonly name: string
  report(message: string): void
  /** How long a leader that is gone stays one, ms. */
  readonly durationMs?: number
  readonly identity?: string
}

/**
 * Which of several services writes statuses (coordination.k8s.io/v1, Lease). A leader that cannot say that it still is one in time stops
 * to be it before another may begin. All serve in any case.
 */
export class Leader {
  readonly #options: LeaderOptions
  readonly #identity: string
  readonly #durationMs: number
  #until = 0
  /** When the lease was last seen to change, by this machine's clock: those of others are not believed. */
  #seen = { version: '', at: 0 }
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #failing = false
  #elected: () => void = () => undefined

  constructor(options: LeaderOptions) {
    this.#options = options
    this.#identity = options.identity ?? `${hostname()}_${randomUUID()}`
    this.#durationMs = options.durationMs ?? 15_000
  }

  /** @param elected told each time it becomes the leader */
  start(elected: () => void): void {
    this.#elected = elected
    void this.#round()
  }

  get leads(): boolean {
    return performance.now() < this.#until
  }

  /** Lets another one begin at once. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    if (!this.leads) return
    this.#until = 0
    try {
      const current = await this.#read()
      if (current?.spec?.holderIdentity === this.#identity)
        await this.#write({ ...current, spec: { ...current.spec, holderIdentity: '' } })
    } catch {
      // It ends by itself.
    }
  }

  async #round(): Promise<void> {
    const before = this.leads
    try {
      await this.#try()
      this.#failing = false
    } catch (error) {
      // Somebody was faster.
      const lost = error instanceof ApiError && (error.status === 409 || error.status === 404)
      if (!lost && !this.#failing) {
        this.#failing = true
        this.#options.report(`who writes statuses cannot be agreed on: ${(error as Error).message}`)
      }
    }
    if (this.#stopped) return
    if (!before && this.leads) this.#elected()
    this.#timer = setTimeout(() => void this.#round(), this.#durationMs / 3)
  }

  async #try(): Promise<void> {
    const asked = performance.now()
    const current = await this.#read()
    const now = new Date().toISOString().replace('Z', '000Z')
    const mine = {
      holderIdentity: this.#identity,
      leaseDurationSeconds: Math.max(1, Math.round(this.#durationMs / 1000)),
      renewTime: now,
    }
    if (!current) {
      const { namespace, name } = this.#options
      const made: LeaseObject = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name, namespace },
        spec: { ...mine, acquireTime: now, leaseTransitions: 0 },
      }
      await this.#options.api.ask('POST', Api.path(lease, namespace), made)
    } else {
      const { spec = {}, metadata } = current
      const version = metadata.resourceVersion ?? ''
      if (version !== this.#seen.version) this.#seen = { version, at: asked }
      const free = !spec.holderIdentity || asked - this.#seen.at > this.#durationMs
      const own = spec.holderIdentity === this.#identity
      if (!own && !free) return
      await this.#write({
        ...current,
        spec: {
          ...spec,
          ...mine,
          ...(!own && { acquireTime: now, leaseTransitions: (spec.leaseTransitions ?? 0) + 1 }),
        },
      })
    }
    // From when it was asked: the answer may have taken long.
    this.#until = asked + this.#durationMs * 0.8
  }

  async #read(): Promise<LeaseObject | undefined> {
    const { api, namespace, name } = this.#options
    try {
      return await api.ask<LeaseObject>('GET', Api.path(lease, namespace, name))
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined
      throw error
    }
  }

  async #write(object: LeaseObject): Promise<void> {
    const { api, namespace, name } = this.#options
    await api.ask('PUT', Api.path(lease, namespace, name), object)
  }
}
