/** Nanoseconds a message: the hand-written codec beside protobuf-es, in one run. Usage: tsx bench/codec.ts */
import { create, toBinary } from '@bufbuild/protobuf'
import { CheckRequestSchema } from '#gen/envoy/service/auth/v3/external_auth_pb.js'
import { ProcessingRequestSchema } from '#gen/envoy/service/ext_proc/v3/external_processor_pb.js'
import { upstreamMetadataAttribute } from '../src/envoy/names.ts'
import * as check from '../src/envoy/wire/check.ts'
import * as process from '../src/envoy/wire/process.ts'
import * as reference from '../src/envoy/wire/reference.ts'
import type { LocalAnswer, RequestTransform, ResponseTransform } from '../src/protocol.ts'

const hand = { ...check, ...process }

const asked = ['x-request-id', 'content-type', 'content-encoding', 'traceparent', 'anthropic-version', 'openai-beta']

const requestHeaders: Record<string, string> = {
  ':authority': 'gateway.example.com',
  ':method': 'POST',
  ':path': '/v1/chat/completions',
  ':scheme': 'http',
  accept: 'application/json',
  authorization: `Bearer ${'k'.repeat(51)}`,
  'content-type': 'application/json',
  'content-length': '2048',
  'user-agent': 'OpenAI/JS 6.49.0',
  'x-forwarded-proto': 'http',
  'x-request-id': '5cbd3fd0-34f5-4a8a-9b8b-1b1c3a4f6c10',
  'x-stainless-runtime': 'node',
}
const attemptHeaders = { ...requestHeaders, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, 'x-envoy-a': '1' }
const responseHeaders = {
  ':status': '200',
  'content-type': 'application/json',
  date: 'Thu, 01 Jan 2026 00:00:00 GMT',
  'openai-organization': 'example',
  'openai-processing-ms': '411',
  'x-ratelimit-remaining-requests': '9999',
  'x-request-id': 'req_0123456789abcdef0123456789abcdef',
  server: 'envoy',
}

const headerMap = (headers: Record<string, string>) => ({
  headers: Object.entries(headers).map(([key, value]) => ({ key, rawValue: Buffer.from(value) })),
})
const address = (portValue: number) => ({
  address: {
    address: {
      case: 'socketAddress' as const,
      value: { address: '127.0.0.1', portSpecifier: { case: 'portValue' as const, value: portValue } },
    },
  },
})

function checkBytes(bodyBytes: number): Buffer {
  const http = { id: '1', method: 'POST', path: '/v1/chat/completions', scheme: 'http', protocol: 'HTTP/1.1' }
  const rawBody = Buffer.alloc(bodyBytes, '{"model": "gpt-5", ')
  const message = create(CheckRequestSchema, {
    attributes: {
      source: address(40000),
      destination: address(10000),
      request: {
        time: { seconds: 1_800_000_000n, nanos: 5 },
        http: { ...http, headers: requestHeaders, host: 'gateway.example.com', size: BigInt(bodyBytes), rawBody },
      },
      metadataContext: {},
    },
  })
  return Buffer.from(toBinary(CheckRequestSchema, message))
}

type Sent = Parameters<typeof create<typeof ProcessingRequestSchema>>[1]
const processBytes = (message: Sent): Buffer =>
  Buffer.from(toBinary(ProcessingRequestSchema, create(ProcessingRequestSchema, message)))

const metadata = `filter_metadata { key: "chaperone" value { fields { key: "upstream" value { string_value: "${'u'.repeat(43)}" } } } }`
const messages = {
  requestHeaders: processBytes({
    request: { case: 'requestHeaders', value: { headers: headerMap(attemptHeaders) } },
    attributes: { 'envoy.filters.http.ext_proc': { [upstreamMetadataAttribute]: metadata } },
    protocolConfig: { responseBodyMode: 4 },
  }),
  responseHeaders: processBytes({
    request: { case: 'responseHeaders', value: { headers: headerMap(responseHeaders) } },
  }),
  responseBody: processBytes({ request: { case: 'responseBody', value: { body: Buffer.alloc(220, 'data: ') } } }),
}

const removed = ['authorization', 'x-api-key', 'x-goog-api-key', 'cookie', 'accept-encoding', 'content-length']
const forward: RequestTransform & { type: 'forward' } = {
  type: 'forward',
  set: [
    [':authority', 'api.openai.com'],
    [':path', '/v1/chat/completions'],
    [':scheme', 'https'],
    ['authorization', `Bearer ${'s'.repeat(51)}`],
    ['content-type', 'application/json'],
  ],
  remove: removed,
}
const translated = { ...forward, body: Buffer.alloc(2048, 'a') }
const large = { ...forward, body: Buffer.alloc(204_800, 'a') }
const head: ResponseTransform = {
  set: [
    ['x-request-id', '5cbd3fd0-34f5-4a8a-9b8b-1b1c3a4f6c10'],
    ['x-chaperone-model', 'gpt-5'],
    ['x-chaperone-tokens', 'prompt=12, completion=400'],
  ],
  remove: removed,
}
const answer: LocalAnswer = {
  status: 429,
  headers: [
    ['content-type', 'application/json'],
    ['retry-after', '7'],
  ],
  body: JSON.stringify({
    error: { message: 'The quota of this team is used up. '.repeat(4), type: 'rate_limit_error' },
  }),
}
const allowed: [string, string][] = [
  ['x-chaperone-cluster', 'pool-gpt-5-0123456789abcdef'],
  ['x-chaperone-route', 'class-60000-600000-3'],
]
const piece = Buffer.alloc(220, 'data: ')

const checks = { small: checkBytes(2048), large: checkBytes(204_800), huge: checkBytes(32 << 20) }

/** What is done with a codec. */
const cases: Record<string, (codec: typeof reference) => unknown> = {
  'decodeCheckRequest, 2 KiB': (codec) => codec.decodeCheckRequest(checks.small),
  'decodeCheckRequest, 2 KiB, 6 headers asked for': (codec) => {
    const { headers } = codec.decodeCheckRequest(checks.small)
    return asked.map((name) => headers.get(name))
  },
  'decodeCheckRequest, 200 KiB': (codec) => codec.decodeCheckRequest(checks.large),
  'decodeCheckRequest, 32 MiB': (codec) => codec.decodeCheckRequest(checks.huge),
  'decodeProcessingRequest, request headers, 2 asked for': (codec) => {
    const message = codec.decodeProcessingRequest(messages.requestHeaders)
    return (
      message.type === 'requestHeaders' && [message.headers.get('x-request-id'), message.headers.get('traceparent')]
    )
  },
  'decodeProcessingRequest, response headers, 2 asked for': (codec) => {
    const message = codec.decodeProcessingRequest(messages.responseHeaders)
    return message.type === 'responseHeaders' && [message.headers.get(':status'), message.headers.get('content-type')]
  },
  'decodeProcessingRequest, response body': (codec) => codec.decodeProcessingRequest(messages.responseBody),
  encodeAllowed: (codec) => codec.encodeAllowed(allowed),
  encodeAnswer: (codec) => codec.encodeAnswer(answer),
  'encodeRequestTransform, own body kept': (codec) => codec.encodeRequestTransform(forward),
  'encodeRequestTransform, 2 KiB body': (codec) => codec.encodeRequestTransform(translated),
  'encodeRequestTransform, 200 KiB body': (codec) => codec.encodeRequestTransform(large),
  encodeResponseTransform: (codec) => codec.encodeResponseTransform(head),
  'encodeBody, as it is': (codec) => codec.encodeBody(undefined),
  'encodeBody, changed': (codec) => codec.encodeBody(piece),
  encodeImmediate: (codec) => codec.encodeImmediate(answer),
}

let sink: unknown

/** The best of several rounds, so that what else the machine does counts little. */
function nanoseconds(run: () => unknown): number {
  let best = Number.POSITIVE_INFINITY
  let count = 50
  for (let round = 0; round < 12; round++) {
    const start = performance.now()
    for (let index = 0; index < count; index++) sink = run()
    const elapsed = performance.now() - start
    if (round >= 4) best = Math.min(best, (elapsed * 1e6) / count)
    else count = Math.max(50, Math.round((count * 40) / elapsed))
  }
  return best
}

console.log(`${'message'.padEnd(58)}${'protobuf-es'.padStart(12)}${'by hand'.padStart(10)}${'ratio'.padStart(8)}`)
for (const [name, run] of Object.entries(cases)) {
  const before = nanoseconds(() => run(reference))
  const after = nanoseconds(() => run(hand))
  const figures = [`${before.toFixed(0)} ns`.padStart(12), `${after.toFixed(0)} ns`.padStart(10)]
  console.log(`${name.padEnd(58)}${figures.join('')}${`${(before / after).toFixed(1)}×`.padStart(8)}`)
}
if (sink === undefined) throw new Error('nothing was measured')
