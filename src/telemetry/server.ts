import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface TelemetryServerOptions {
  /** IP address. */
  address: string
  /** 0: any free one. */
  port: number
  /** @returns the metrics in Prometheus' text format */
  metrics(): Promise<string>
  /** @returns Envoy's metrics in the same format; absent: there is no Envoy to ask */
  envoyMetrics?: (() => Promise<string>) | undefined
  /** @returns why traffic should not come yet, or undefined */
  ready(): string | undefined
}

/**
 * Serves GET /metrics, /metrics/envoy, /livez and /readyz.
 * @throws {Error} where the port cannot be had
 */
export async function startTelemetryServer({
  address,
  port,
  metrics,
  envoyMetrics,
  ready,
}: TelemetryServerOptions): Promise<{ url: string; stop(): Promise<void> }> {
  const server = createServer({ requestTimeout: 5_000, headersTimeout: 5_000 }, (request, response) => {
    request.resume()
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      answer(response, 405, 'use GET')
      return
    }
    switch (request.url?.split('?', 1)[0]) {
      case '/metrics':
        metrics().then(
          (text) => answer(response, 200, text, metricsType),
          () => answer(response, 500, 'the metrics cannot be read'),
        )
        return
      case '/metrics/envoy':
        if (!envoyMetrics) {
          answer(response, 404, 'this service has no Envoy to ask')
          return
        }
        envoyMetrics().then(
          (text) => answer(response, 200, text, metricsType),
          () => answer(response, 503, 'Envoy does not answer'),
        )
        return
      case '/livez':
        answer(response, 200, 'ok')
        return
      case '/readyz': {
        const reason = ready()
        answer(response, reason === undefined ? 200 : 503, reason ?? 'ok')
        return
      }
      default:
        answer(response, 404, 'there is /metrics, /metrics/envoy, /livez and /readyz')
    }
  })
  server.maxConnections = 100
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`telemetry: ${address}:${port} is taken by another process; set telemetry.port`)
          : error,
      ),
    )
    server.listen(port, address, resolve)
  })
  // A connection that could not be accepted (too many open files) is the scraper's loss, not the service's end.
  server.removeAllListeners('error').on('error', () => undefined)
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://${address.includes(':') ? `[${address}]` : address}:${bound}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const metricsType = 'text/plain; version=0.0.4; charset=utf-8'

function answer(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type }).end(text.endsWith('\n') ? text : `${text}\n`)
}
