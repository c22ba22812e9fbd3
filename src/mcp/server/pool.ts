import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import type { McpServerRule } from '../../config/mcp.ts'
import type { Upstream } from '../../protocol.ts'
import { directWay, environmentOf, openApiOf, type Secrets } from '../compile.ts'
import { OpenApiLink } from '../openapi/link.ts'
import { Channel } from './channel.ts'
import type { Egress } from './egress.ts'
import { HttpServer } from './http-server.ts'
import { type Credentials, McpServer, type Transport } from './server.ts'

const longestMessage = 64 * 1024 * 1024
/** How many operations that are no tools are told. */
const mostLeft = 20
/** How much of what a process wrote to its standard error is told when it ends, characters. */
const mostLastWords = 1_000

/** The servers of the rules, each made once for as long as the rules say the same of it. */
export class ServerPool {
  readonly #egress: Egress
  readonly #secrets: Secrets
  readonly #credentials: (name: string, rule: McpServerRule, publicUrl: string | undefined) => Credentials
  readonly #report: (error: unknown) => void
  readonly #servers = new Map<string, { key: string; server: McpServer }>()
  readonly #keys = new WeakMap<McpServer, string>()

  constructor(
    egress: Egress,
    secrets: Secrets,
    credentials: (name: string, rule: McpServerRule, publicUrl: string | undefined) => Credentials,
    report: (error: unknown) => void,
  ) {
    this.#egress = egress
    this.#secrets = secrets
    this.#credentials = credentials
    this.#report = report
  }

  /** @throws {RangeError} where its rule cannot be carried out */
  server(name: string, rule: McpServerRule, upstream: Upstream | undefined, publicUrl: string | undefined): McpServer {
    // What it shows may depend on where the gateway is.
    const key = `${keyOf(rule)}${publicUrl ?? ''}`
    const known = this.#servers.get(name)
    if (known?.key === key) return known.server
    const server = new McpServer(
      name,
      rule,
      this.#transport(name, rule, upstream),
      this.#credentials(name, rule, publicUrl),
      this.#report,
    )
    this.#keys.set(server, key)
    return server
  }

  /** The servers that are in force now; the others end when nothing is under way on them. */
  keep(servers: Iterable<McpServer>): void {
    const kept = new Set<McpServer>()
    for (const server of servers) {
      kept.add(server)
      const before = this.#servers.get(server.name)
      if (before && before.server !== server) this.#retire(before.server)
      this.#servers.set(server.name, { key: this.#keys.get(server)!, server })
    }
    for (const [name, { server }] of this.#servers) {
      if (kept.has(server)) continue
      this.#servers.delete(name)
      this.#retire(server)
    }
  }

  /** Ends all. */
  close(): void {
    for (const { server } of this.#servers.values()) server.close()
    this.#servers.clear()
  }

  #retire(server: McpServer): void {
    // What is under way ends by then, or is ended.
    const deadline = performance.now() + server.callMs
    const look = () => {
      if (server.busy && performance.now() < deadline) setTimeout(look, 500).unref()
      else server.close()
    }
    setTimeout(look, 500).unref()
  }

  #transport(name: string, rule: McpServerRule, upstream: Upstream | undefined): Transport {
    switch (rule.type) {
      case 'http': {
        const { pathname, search } = new URL(rule.url)
        const { pool, routeClass } = directWay(upstream!, rule)
        return {
          type: 'http',
          server: new HttpServer(name, upstream!, pathname + search, this.#egress, {
            pool: pool.id,
            routeClass: routeClass.id,
          }),
          era: rule.era,
        }
      }
      case 'sse':
        return {
          type: 'channel',
          era: 'legacy',
          open: (client, ended) => {
            const transport = new SSEClientTransport(new URL(rule.url), {
              fetch: this.#fetch(upstream!, client.headers),
            })
            return new Channel(name, transport, client, ended)
          },
        }
      case 'stdio':
        return {
          type: 'channel',
          era: rule.era,
          open: (client, ended) => {
            const transport = new StdioClientTransport({
              command: rule.command,
              args: rule.args,
              env: { ...getDefaultEnvironment(), ...environmentOf(rule.env, this.#secrets) },
              stderr: 'pipe',
              maxBufferSize: longestMessage,
              ...(rule.cwd !== undefined && { cwd: rule.cwd }),
            })
            let words = ''
            transport.stderr?.on('data', (piece: Buffer) => {
              words = (words + piece.toString('utf8')).slice(-mostLastWords)
            })
            const channel = new Channel(name, transport, client, () => {
              // Nobody ended it: what it said last tells the operator why.
              if (!channel.closing)
                this.#report(
                  new Error(`the process of the MCP server ${name} ended; it said last: ${words.trim() || 'nothing'}`),
                )
              ended()
            })
            return channel
          },
        }
      case 'openapi': {
        const { api, url } = openApiOf(name, rule)
        const base = new URL(url).pathname.replace(/\/$/, '')
        if (api.left.length > 0)
          this.#report(
            new Error(`operations of mcp.servers.${name} that are no tools: ${api.left.slice(0, mostLeft).join('; ')}`),
          )
        return {
          type: 'link',
          link: (client) => new OpenApiLink(name, api, upstream!, base, this.#egress, client),
        }
      }
    }
  }

  /** What the SDK takes for `fetch`, through Envoy. */
  #fetch(upstream: Upstream, credentials: readonly (readonly [string, string])[]) {
    return async (url: string | URL, init: RequestInit = {}): Promise<Response> => {
      const { pathname, search, host } = new URL(url)
      const own = upstream.host.includes(':') ? `[${upstream.host}]` : upstream.host
      // A server's endpoint event could send the gateway anywhere.
      if (new URL(`http://${host}`).hostname !== own) throw new Error('the server names another host than its own')
      const headers = new Headers(init.headers)
      for (const [name, value] of credentials) headers.set(name, value)
      const signal = init.signal ?? new AbortController().signal
      const body = init.body === undefined || init.body === null ? null : String(init.body)
      const method = init.method === 'POST' ? 'POST' : init.method === 'DELETE' ? 'DELETE' : 'GET'
      const response = await this.#egress.request(upstream, method, pathname + search, headers, body, signal)
      const answered = new Headers()
      for (const [name, value] of Object.entries(response.headers))
        if (value !== undefined) answered.set(name, Array.isArray(value) ? value.join(', ') : value)
      const empty = response.status === 204 || response.status === 205 || response.status === 304
      return new Response(empty ? null : (Readable.toWeb(response.body) as ReadableStream), {
        status: response.status,
        headers: answered,
      })
    }
  }
}

/** What a server is made of: its rule, and the document that it names. */
function keyOf(rule: McpServerRule): string {
  const key = JSON.stringify(rule)
  return rule.type === 'openapi' ? `${key}${readFileSync(rule.document, 'utf8')}` : key
}
