import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { apiVersionOf, kinds } from '../../src/gateway-api/kinds.ts'
import type { KubeObject } from '../../src/gateway-api/object.ts'

/**
 * As much of a Kubernetes API server as a controller sees of it: lists in pages, watches with bookmarks and versions that are too old, status
 * as a subresource with optimistic locking, leases. It is no API server: it validates nothing, and knows no rights.
 */

const pem = (file: string) => readFileSync(new URL(`../tls/${file}.pem`, import.meta.url), 'utf8')

interface Stored {
  readonly resource: string
  object: KubeObject
}

interface Watcher {
  readonly resource: string
  readonly namespace: string | undefined
  readonly response: ServerResponse
}

const resources = new Map<string, { plural: string; kind: string; apiVersion: string }>(
  [
    ...Object.values(kinds),
    { group: 'coordination.k8s.io', version: 'v1', kind: 'Lease', plural: 'leases', namespaced: true },
  ].map((info) => [
    `${info.group === '' ? '/api/v1' : `/apis/${apiVersionOf(info)}`}/${info.plural}`,
    { plural: info.plural, kind: info.kind, apiVersion: apiVersionOf(info) },
  ]),
)

export class FakeCluster {
  url = ''
  /** Kinds whose CRDs are not installed, by plural. */
  readonly missing = new Set<string>()
  /** Plurals that may not be read. */
  readonly forbidden = new Set<string>()
  /** Every request that changed something. */
  readonly writes: { method: string; path: string; body: KubeObject }[] = []
  readonly lists: string[] = []
  /** How many items a page has at most. */
  pageSize = 1000
  readonly #objects = new Map<string, Stored>()
  readonly #watchers = new Set<Watcher>()
  #version = 1
  /** Watches from before this version are too old. */
  #oldest = 0
  readonly #log: { version: number; resource: string; namespace: string | undefined; line: string }[] = []
  readonly #server = createServer({ cert: pem('listener-1'), key: pem('listener-1-key') }, (request, response) => {
    void this.#handle(request, response)
  })

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.url = `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.closeAllConnections()
      this.#server.close(() => resolve())
    })
  }

  /** Creates or replaces an object, as kubectl would. */
  apply(object: KubeObject): void {
    const [resource, info] = [...resources].find(
      ([, each]) => each.kind === object.kind && each.apiVersion === object.apiVersion,
    )!
    const key = this.#key(resource, object.metadata.namespace, object.metadata.name)
    const before = this.#objects.get(key)
    const generation = (before?.object.metadata.generation ?? 0) + 1
    this.#store(before ? 'MODIFIED' : 'ADDED', resource, {
      ...object,
      apiVersion: info.apiVersion,
      metadata: { ...object.metadata, generation },
      ...(before?.object.status !== undefined && { status: before.object.status }),
    })
  }

  delete(kind: string, namespace: string, name: string): void {
    const [resource] = [...resources].find(([, each]) => each.kind === kind)!
    const key = this.#key(resource, namespace, name)
    const stored = this.#objects.get(key)
    if (!stored) return
    this.#objects.delete(key)
    this.#tell('DELETED', resource, {
      ...stored.object,
      metadata: { ...stored.object.metadata, resourceVersion: String(++this.#version) },
    })
  }

  get(kind: string, namespace: string, name: string): KubeObject | undefined {
    const [resource] = [...resources].find(([, each]) => each.kind === kind)!
    return this.#objects.get(this.#key(resource, namespace, name))?.object
  }

  /** Ends all watches, as a restart or a broken connection would. */
  cutWatches(): void {
    for (const { response } of this.#watchers) response.destroy()
  }

  /** What was told until now is forgotten: whoever watches from before gets 410, in the way that watches do. */
  compact(): void {
    this.#oldest = this.#version + 1
    this.#version++
    for (const { response } of this.#watchers) {
      response.write(
        `${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', apiVersion: 'v1', code: 410, message: 'too old resource version' } })}\n`,
      )
      response.end()
    }
  }

  bookmark(): void {
    for (const { response, resource } of this.#watchers)
      response.write(
        `${JSON.stringify({ type: 'BOOKMARK', object: { kind: resources.get(resource)!.kind, metadata: { resourceVersion: String(this.#version) } } })}\n`,
      )
  }

  get watching(): number {
    return this.#watchers.size
  }

  #key(resource: string, namespace: string | undefined, name: string): string {
    return `${resource} ${namespace ?? ''}/${name}`
  }

  #store(type: 'ADDED' | 'MODIFIED', resource: string, object: KubeObject): KubeObject {
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } }
    this.#objects.set(this.#key(resource, object.metadata.namespace, object.metadata.name), {
      resource,
      object: stored,
    })
    this.#tell(type, resource, stored)
    return stored
  }

  #tell(type: string, resource: string, object: KubeObject): void {
    const { namespace } = object.metadata
    const line = `${JSON.stringify({ type, object })}\n`
    this.#log.push({ version: this.#version, resource, namespace, line })
    for (const watcher of this.#watchers)
      if (
        !watcher.response.writableEnded &&
        watcher.resource === resource &&
        (watcher.namespace === undefined || watcher.namespace === namespace)
      )
        // In pieces: events need not come whole.
        for (const piece of [line.slice(0, 7), line.slice(7)]) watcher.response.write(piece)
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://x')
    const [, root = '', namespace, plural = '', name, sub] =
      /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+)(?=\/))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
        url.pathname,
      ) ?? []
    const resource = `${root}/${plural}`
    const fail = (code: number, message: string) =>
      void response
        .writeHead(code, { 'content-type': 'application/json' })
        .end(JSON.stringify({ kind: 'Status', code, message }))
    const info = resources.get(resource)
    if (!info || this.missing.has(plural)) return fail(404, 'the server could not find the requested resource')
    if (this.forbidden.has(plural)) return fail(403, `${plural} is forbidden`)
    if (request.method === 'GET' && name === undefined)
      return url.searchParams.get('watch') === 'true'
        ? this.#watch(resource, namespace, Number(url.searchParams.get('resourceVersion')), response, fail)
        : this.#list(resource, namespace, url, response)
    let text = ''
    for await (const piece of request) text += piece
    const body = text === '' ? undefined : (JSON.parse(text) as KubeObject)
    const key = this.#key(resource, namespace, name ?? body?.metadata.name ?? '')
    const stored = this.#objects.get(key)
    const answer = (object: KubeObject) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(object))
    if (request.method === 'GET') return stored ? void answer(stored.object) : fail(404, 'not found')
    this.writes.push({ method: request.method ?? '', path: url.pathname, body: body! })
    if (request.method === 'POST') {
      if (stored) return fail(409, 'already exists')
      return void answer(this.#store('ADDED', resource, body!))
    }
    if (!stored) return fail(404, 'not found')
    if (body!.metadata.resourceVersion !== stored.object.metadata.resourceVersion)
      return fail(409, 'the object has been modified')
    // The subresource changes the status and nothing else, and the main resource everything but it.
    const next =
      sub === 'status' ? { ...stored.object, status: body!.status } : { ...body!, status: stored.object.status }
    answer(this.#store('MODIFIED', resource, next))
  }

  #list(resource: string, namespace: string | undefined, url: URL, response: ServerResponse): void {
    this.lists.push(resource)
    const all = [...this.#objects.values()].filter(
      (stored) =>
        stored.resource === resource && (namespace === undefined || stored.object.metadata.namespace === namespace),
    )
    const from = Number(url.searchParams.get('continue') ?? 0)
    const items = all.slice(from, from + this.pageSize).map(({ object: { apiVersion: _a, kind: _k, ...rest } }) => rest)
    const next = from + this.pageSize < all.length ? String(from + this.pageSize) : ''
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(
        JSON.stringify({ kind: 'List', metadata: { resourceVersion: String(this.#version), continue: next }, items }),
      )
  }

  #watch(
    resource: string,
    namespace: string | undefined,
    from: number,
    response: ServerResponse,
    fail: (code: number, message: string) => void,
  ): void {
    if (from < this.#oldest) {
      fail(410, 'too old resource version')
      return
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    for (const event of this.#log)
      if (
        event.version > from &&
        event.resource === resource &&
        (namespace === undefined || event.namespace === namespace)
      )
        response.write(event.line)
    const watcher = { resource, namespace, response }
    this.#watchers.add(watcher)
    response.on('close', () => this.#watchers.delete(watcher))
  }

  /** A kubeconfig that leads here. */
  kubeconfig(): string {
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'fake',
      clusters: [
        {
          name: 'fake',
          cluster: { server: this.url, 'certificate-authority-data': Buffer.from(pem('ca')).toString('base64') },
        },
      ],
      users: [{ name: 'fake', user: { token: 'a-token' } }],
      contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'fake', namespace: 'chaperone' } }],
    })
  }
}
