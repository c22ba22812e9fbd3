import { createServer, type IncomingHttpHeaders, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What an echoing server tells of a request. */
export interface Echo {
  server: string
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: string
}

/** A server whose answers tell what reached it. */
export interface EchoServer {
  url: string
  port: number
  /** Every request, in order. */
  seen: Echo[]
  /** What it answers instead of 200, by path without query; a number of ms waits. */
  behave: Map<string, { status?: number; waitMs?: number; headers?: Record<string, string>; times?: number }>
  /** WebSockets that are echoed, and connections, are cut too. */
  close(): Promise<void>
}

/** @param fixed what it answers instead of an echo, JSON */
export async function echoServer(name: string, fixed?: string): Promise<EchoServer> {
  const seen: Echo[] = []
  const behave: EchoServer['behave'] = new Map()
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const { method = '', url = '', headers } = incoming
      const echo: Echo = { server: name, method, path: url, headers, body: Buffer.concat(chunks).toString() }
      // Envoy's own questions come whenever they come.
      if (url !== '/healthz') seen.push(echo)
      const rule = behave.get(url.split('?')[0]!)
      const applies = rule !== undefined && (rule.times === undefined || rule.times-- > 0)
      const answer = () =>
        response
          .writeHead((applies && rule.status) || 200, {
            'content-type': 'application/json',
            'x-server': name,
            ...(applies && rule.headers),
          })
          .end(fixed ?? JSON.stringify(echo))
      if (applies && rule.waitMs !== undefined) setTimeout(answer, rule.waitMs)
      else answer()
    })
    incoming.on('error', () => undefined)
  })
  server.on('upgrade', (incoming, socket) => {
    socket.on('error', () => undefined)
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: ${incoming.headers.upgrade}\r\nconnection: upgrade\r\n\r\n`,
    )
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    seen,
    behave,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

/** An answer as a client sees it. */
export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** Of an echoing server, or of the gateway. @throws {SyntaxError} where it is no JSON */
  json<T = Echo>(): T
}

/** Asks, on a connection of its own, with a Host of the caller's choosing. */
export function ask(
  base: string,
  path: string,
  options: { host?: string; method?: string; headers?: Record<string, string | string[]>; body?: string | Buffer } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(base)
  return new Promise((resolve, reject) => {
    const call = request(
      {
        hostname,
        port,
        path,
        method: options.method ?? (options.body === undefined ? 'GET' : 'POST'),
        headers: { ...options.headers, ...(options.host !== undefined && { host: options.host }) },
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: () => JSON.parse(text) })
        })
      },
    )
    call.on('error', reject)
    call.end(options.body)
  })
}
