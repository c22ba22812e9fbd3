import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'

/** A server that runs in this process. */
export interface Running {
  /** Where its MCP endpoint is. */
  readonly url: string
  /** Ends it and every connection to it. */
  stop(): Promise<void>
}

/**
 * Serves a handler of the web's Request and Response on a free loopback port.
 * @param close is called before the connections are ended
 */
export function serve(
  handle: (request: Request) => Promise<Response>,
  close: () => Promise<void> = async () => {},
): Promise<Running> {
  return listen(
    (incoming, outgoing) => {
      answer(handle, incoming, outgoing).catch(() => outgoing.destroy())
    },
    { close },
  )
}

/**
 * Listens on a free loopback port. Only hosts and origins of this machine are let in, which is what the specifications ask of
 * local servers against DNS rebinding.
 * @param options.path the path of the returned URL, `/mcp` if not said; the listener sees every path
 */
export async function listen(
  listener: RequestListener,
  { path = '/mcp', close = async () => {} }: { path?: string; close?: () => Promise<void> } = {},
): Promise<Running> {
  const server = createServer((incoming, outgoing) => {
    if (isLocal(incoming.headers.host) && isLocal(originHost(incoming.headers.origin))) listener(incoming, outgoing)
    else outgoing.writeHead(403).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}${path}`,
    async stop() {
      await close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function answer(
  handle: (request: Request) => Promise<Response>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const gone = new AbortController()
  outgoing.once('close', () => gone.abort())
  const headers = new Headers()
  for (let i = 0; i < incoming.rawHeaders.length; i += 2)
    headers.append(incoming.rawHeaders[i]!, incoming.rawHeaders[i + 1]!)
  const { method = 'GET' } = incoming
  const response = await handle(
    new Request(`http://${incoming.headers.host}${incoming.url}`, {
      method,
      headers,
      signal: gone.signal,
      ...(method !== 'GET' &&
        method !== 'HEAD' && { body: Readable.toWeb(incoming) as RequestInit['body'], duplex: 'half' }),
    }),
  )
  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  outgoing.flushHeaders()
  if (response.body) await pipeline(Readable.fromWeb(response.body as ReadableStream), outgoing)
  else outgoing.end()
}

function originHost(origin: string | undefined): string | undefined {
  return origin && URL.canParse(origin) ? new URL(origin).host : origin
}

/** Whether a host, with or without a port, is this machine; one that is not said is let in. */
function isLocal(host: string | undefined): boolean {
  return host === undefined || /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(host)
}
