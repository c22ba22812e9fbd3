import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { BinaryReader } from '@bufbuild/protobuf/wire'

/** A span, as far as the example looks at it. */
export interface Span {
  /** The resource's `service.name`. */
  readonly service: string
  /** Hex digits. */
  readonly traceId: string
  readonly name: string
}

/** A collector of traces that keeps them in memory: OTLP/HTTP, as JSON from the services and as protobuf from Envoy. */
export async function startCollector(): Promise<{ url: string; spans: Span[]; stop(): void }> {
  const spans: Span[] = []
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const type = request.headers['content-type'] ?? ''
      const body = Buffer.concat(pieces)
      try {
        spans.push(...(type.includes('json') ? spansInJson(body) : spansIn(body)))
        response.writeHead(200, { 'content-type': type }).end(type.includes('json') ? '{}' : '')
      } catch {
        response.writeHead(400).end()
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    stop: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

interface JsonRequest {
  resourceSpans: {
    resource?: { attributes?: { key: string; value: { stringValue?: string } }[] }
    scopeSpans: { spans: { traceId: string; name: string }[] }[]
  }[]
}

function spansInJson(body: Buffer): Span[] {
  const { resourceSpans } = JSON.parse(body.toString()) as JsonRequest
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = resource?.attributes?.find(({ key }) => key === 'service.name')?.value.stringValue ?? ''
    return scopeSpans.flatMap((scope) => scope.spans.map(({ traceId, name }) => ({ service, traceId, name })))
  })
}

/** ExportTraceServiceRequest of opentelemetry/proto/collector/trace/v1, as far as a `Span` has it. */
function spansIn(body: Uint8Array): Span[] {
  return all(body, 1).flatMap((resourceSpans) => {
    const attributes = all(resourceSpans, 1).flatMap((resource) => all(resource, 1))
    const named = attributes.find((attribute) => text(first(attribute, 1)) === 'service.name')
    const service = named ? text(first(first(named, 2), 1)) : ''
    return all(resourceSpans, 2)
      .flatMap((scopeSpans) => all(scopeSpans, 2))
      .map((span) => ({ service, traceId: Buffer.from(first(span, 1)).toString('hex'), name: text(first(span, 5)) }))
  })
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const first = (message: Uint8Array, field: number) => all(message, field)[0] ?? new Uint8Array()

/** The values of one field that is made of bytes. */
function all(message: Uint8Array, field: number): Uint8Array[] {
  const reader = new BinaryReader(message)
  const values: Uint8Array[] = []
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    if (number === field && wireType === 2) values.push(reader.bytes())
    else reader.skip(wireType)
  }
  return values
}
