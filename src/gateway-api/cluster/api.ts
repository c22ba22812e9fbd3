import { request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https'
import type { KubeConfig } from '@kubernetes/client-node'
import { apiVersionOf, type KindInfo } from '../kinds.ts'
import type { KubeObject } from '../object.ts'

/** The API server, asked with what a kubeconfig or the pod's own account says. */

/** An answer that is none. `status` is HTTP's; 0: there was no answer. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

/** An event of a watch. */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: KubeObject & { readonly code?: number; readonly message?: string }
}

export interface ListPage {
  readonly items: readonly KubeObject[]
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string }
}

const answerMs = 30_000
const longestAnswer = 256 * 1024 * 1024
/** A line of a watch is one object; etcd takes 1.5 MiB. */
const longestLine = 16 * 1024 * 1024

export class ClusterApi {
  readonly #config: KubeConfig
  readonly #server: URL
  readonly #agent: Agent | undefined

  /** @throws {Error} where the configuration names no cluster */
  constructor(config: KubeConfig) {
    const cluster = config.getCurrentCluster()
    if (!cluster) throw new Error('There is no cluster: neither a kubeconfig names one, nor is this a pod of one.')
    this.#config = config
    this.#server = new URL(cluster.server)
    this.#agent = this.#server.protocol === 'https:' ? new Agent({ keepAlive: true, maxSockets: 100 }) : undefined
  }

  /** The path of a kind, or of one object of it. */
  static path(kind: KindInfo, namespace?: string, name?: string, subresource?: string): string {
    const root = kind.group === '' ? '/api/v1' : `/apis/${apiVersionOf(kind)}`
    const within = kind.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : ''
    const one = name === undefined ? '' : `/${encodeURIComponent(name)}`
    return `${root}${within}/${kind.plural}${one}${subresource === undefined ? '' : `/${subresource}`}`
  }

  /** Asks once. @throws {ApiError} */
  async ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const response = await this.#send(
      method,
      path,
      body,
      AbortSignal.any([AbortSignal.timeout(answerMs), ...(signal ? [signal] : [])]),
    )
    const text = await textOf(response)
    try {
      return JSON.parse(text) as T
    } catch (cause) {
      throw new ApiError(response.statusCode ?? 0, `${method} ${path} was answered with what is no JSON`, { cause })
    }
  }

  /**
   * Watches until the server ends it, which it does now and then.
   * @throws {ApiError} where it cannot be begun, or breaks
   */
  async *watch(path: string, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    const response = await this.#send('GET', path, undefined, signal)
    let rest = ''
    try {
      for await (const piece of response.setEncoding('utf8') as AsyncIterable<string>) {
        rest += piece
        if (rest.length > longestLine) throw new ApiError(0, `an event of ${path} is too long`)
        const lines = rest.split('\n')
        rest = lines.pop()!
        for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as WatchEvent
      }
    } catch (cause) {
      if (cause instanceof ApiError || signal.aborted) throw cause
      throw new ApiError(0, `the watch of ${path} broke`, { cause })
    } finally {
      response.destroy()
    }
  }

  /** @throws {ApiError} */
  async #send(method: string, path: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage> {
    const url = new URL(this.#server.href.replace(/\/+$/, '') + path)
    const options: RequestOptions = {
      method,
      signal,
      headers: { accept: 'application/json', ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(this.#agent && { agent: this.#agent }),
    }
    // Tokens are read anew: those of pods change every hour.
    await this.#config.applyToHTTPSOptions(options)
    if (this.#agent) options.agent = this.#agentOf(options)
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const call = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, resolve)
      call.on('error', (cause) =>
        reject(new ApiError(0, `the API server at ${this.#server.host} does not answer`, { cause })),
      )
      call.end(body === undefined ? undefined : JSON.stringify(body))
    })
    const status = response.statusCode ?? 0
    if (status >= 200 && status < 300) return response
    const text = await textOf(response).catch(() => '')
    throw new ApiError(status, `${method} ${path.split('?')[0]}: ${status} ${messageIn(text)}`)
  }

  /** One agent for all, so that connections are kept; credentials of TLS are on each request. */
  #agentOf({ agent: _, ...options }: RequestOptions): Agent {
    const { ca, cert, key, rejectUnauthorized, servername } = options
    Object.assign(this.#agent!.options, { ca, cert, key, rejectUnauthorized, servername })
    return this.#agent!
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    length += piece.length
    if (length > longestAnswer) throw new ApiError(0, 'the API server’s answer is too long')
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

/** What a metav1.Status says. */
function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown }
    return typeof message === 'string' ? message : ''
  } catch {
    return ''
  }
}
