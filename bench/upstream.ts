import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'

/**
 * The fake upstreams of the benchmark. Whole answers come from an Envoy that answers by itself, so that they cost
 * next to nothing; streams, which no Envoy sends by itself, come from the small server below.
 */

const chatAnswer = JSON.stringify({
  id: 'chatcmpl-bench',
  object: 'chat.completion',
  created: 1700000000,
  model: 'gpt-4o-mini',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hello from the bench' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 500, completion_tokens: 5, total_tokens: 505 },
})

const messagesAnswer = JSON.stringify({
  id: 'msg_bench',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5',
  content: [{ type: 'text', text: 'hello from the bench' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 500, output_tokens: 5 },
})

const hcm = (statPrefix: string, routes: object[]) => ({
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: statPrefix,
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
  },
})

const listener = (name: string, port: number, routes: object[]) => ({
  name,
  address: { socket_address: { address: '127.0.0.1', port_value: port } },
  filter_chains: [{ filters: [hcm(name, routes)] }],
})

const answer = (prefix: string, body: string) => ({
  match: { prefix },
  direct_response: { status: 200, body: { inline_string: body } },
  response_headers_to_add: [
    { header: { key: 'content-type', value: 'application/json' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
  ],
})

const cluster = (name: string, port: number) => ({
  name,
  type: 'STATIC',
  load_assignment: {
    cluster_name: name,
    endpoints: [
      { lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }] },
    ],
  },
})

/** Ports of one run. */
export interface BenchPorts {
  /** Answers whole requests. */
  whole: number
  /** Answers streams. */
  stream: number
  /** Bare Envoy in front of `whole`. */
  bare: number
  /** Bare Envoy in front of `stream`. */
  bareStream: number
}

/** Writes the configuration of the Envoy that answers, and of the bare one it is compared with. */
export function writeBenchConfig(directory: string, ports: BenchPorts): { upstream: string; bare: string } {
  const upstream = `${directory}/upstream.json`
  const bare = `${directory}/bare.json`
  writeFileSync(
    upstream,
    JSON.stringify({
      static_resources: {
        listeners: [
          listener('upstream', ports.whole, [answer('/v1/messages', messagesAnswer), answer('/', chatAnswer)]),
        ],
      },
    }),
  )
  writeFileSync(
    bare,
    JSON.stringify({
      static_resources: {
        listeners: [
          listener('bare', ports.bare, [{ match: { prefix: '/' }, route: { cluster: 'whole' } }]),
          listener('bare-stream', ports.bareStream, [
            { match: { prefix: '/' }, route: { cluster: 'stream', timeout: '0s' } },
          ]),
        ],
        clusters: [cluster('whole', ports.whole), cluster('stream', ports.stream)],
      },
    }),
  )
  return { upstream, bare }
}

/** Chunks of one streamed answer. */
export const chunksPerStream = 500

function chatChunks(): string[] {
  const chunk = (delta: object, finish: string | null) =>
    `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1700000000, model: 'gpt-4o-mini', choices: [{ index: 0, delta, finish_reason: finish }], usage: null })}\n\n`
  return [
    chunk({ role: 'assistant', content: '' }, null),
    ...Array.from({ length: chunksPerStream }, (_, i) => chunk({ content: ` token${i}` }, null)),
    chunk({}, 'stop'),
    `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1700000000, model: 'gpt-4o-mini', choices: [], usage: { prompt_tokens: 500, completion_tokens: 500, total_tokens: 1000 } })}\n\n`,
    'data: [DONE]\n\n',
  ]
}

function messagesChunks(): string[] {
  const event = (json: { type: string; [key: string]: unknown }) =>
    `event: ${json.type}\ndata: ${JSON.stringify(json)}\n\n`
  return [
    event({
      type: 'message_start',
      message: {
        id: 'msg_bench',
        type: 'message',
        role: 'assistant',
        model: 'claude-sonnet-4-5',
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { input_tokens: 500, output_tokens: 1 },
      },
    }),
    event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    ...Array.from({ length: chunksPerStream }, (_, i) =>
      event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: ` token${i}` } }),
    ),
    event({ type: 'content_block_stop', index: 0 }),
    event({
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: 500 },
    }),
    event({ type: 'message_stop' }),
  ]
}

/** Streams answers, one chunk a turn of the event loop, as a provider sends token by token. */
export function serveStreams(port: number): Promise<void> {
  const chat = chatChunks().map((text) => Buffer.from(text))
  const messages = messagesChunks().map((text) => Buffer.from(text))
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      const chunks = request.url?.startsWith('/v1/messages') ? messages : chat
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      let i = 0
      const next = () => {
        if (response.destroyed) return
        response.write(chunks[i++]!)
        if (i < chunks.length) setImmediate(next)
        else response.end()
      }
      next()
    })
  })
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve()))
}

if (process.argv[2] === 'serve') await serveStreams(Number(process.argv[3]))
