import { create, toBinary } from '@bufbuild/protobuf'
import { anyPack } from '@bufbuild/protobuf/wkt'
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js'
import { StatusSchema } from '#gen/google/rpc/status_pb.js'
import { celFilter } from './cel.ts'
import type { EnvoyJson } from './filters.ts'
import { httpReplies } from './http/reply.ts'
import { geminiRoutePrefix, messagesRoutePrefix, undecidedRoutes } from './route.ts'

/** One kind of answer that Envoy gives by itself, without the service. */
interface LocalReply {
  /** CEL over the response's code details; the first that is true decides. */
  when: string
  status: number
  type: keyof typeof googleCodes
  code: string
  message: string
}

/** google.rpc.Code for each type. */
const googleCodes = {
  request_too_large: 'INVALID_ARGUMENT',
  overloaded_error: 'UNAVAILABLE',
  timeout_error: 'DEADLINE_EXCEEDED',
} as const

/**
 * What Envoy says on its own, in words that tell the client what to do. Denials (`ext_authz_denied`) and answers of
 * the service's own in stage 2 (`chaperone_…`) are already in the client's format and stay as they are.
 */
function replies(maxRequestBytes: number): LocalReply[] {
  const details = (prefix: string) => `response.code_details.startsWith("${prefix}")`
  return [
    {
      when: details('request_payload_too_large'),
      status: 413,
      type: 'request_too_large',
      code: 'request_too_large',
      message: `The request body is larger than this gateway's limit of ${maxRequestBytes} bytes. Send less, or ask the operator to raise maxRequestBytes of this listener.`,
    },
    {
      when: details('ext_authz_error'),
      status: 503,
      type: 'overloaded_error',
      code: 'gateway_unavailable',
      message: 'The gateway cannot decide about this request right now; nothing was sent to a provider. Try again.',
    },
    {
      when: `${details('upstream_response_timeout')} || ${details('upstream_per_try')} || ${details('stream_idle_timeout')}`,
      status: 504,
      type: 'timeout_error',
      code: 'upstream_timeout',
      message:
        'No provider answered in the time the rules allow for this model. Try again, or ask for a shorter answer.',
    },
    {
      when: `${details('request_overall_timeout')} || ${details('request_header_timeout')}`,
      status: 408,
      type: 'timeout_error',
      code: 'request_timeout',
      message: 'The request did not arrive in time. Send it again.',
    },
    {
      // The service decides by newer rules than Envoy has the clusters or the routes of.
      when: `${details('cluster_not_found')} || (response.code_details == "direct_response" && (${undecided}))`,
      status: 503,
      type: 'overloaded_error',
      code: 'gateway_not_ready',
      message:
        "This gateway's Envoy does not know the way that the rules want yet; nothing was sent to a provider. Try again in a moment. If it stays so, the operator has to apply the rules to Envoy.",
    },
    {
      when: `${details('upstream_reset')} || ${details('no_healthy_upstream')} || ${details('upstream')} || ${details('maintenance_mode')} || ${details('overload')}`,
      status: 503,
      type: 'overloaded_error',
      code: 'upstream_unreachable',
      message: 'No provider of this model could be reached. Try again in a moment.',
    },
    {
      when: details('ext_proc'),
      status: 503,
      type: 'overloaded_error',
      code: 'gateway_unavailable',
      message: 'The gateway lost the request on its way to a provider. Try again.',
    },
  ]
}

/** On the routes that are left for requests without a way. */
const undecided = undecidedRoutes.map((name) => `xds.route_name == "${name}"`).join(' || ')

const requestId = '%REQ(X-REQUEST-ID)%'

/** Anthropic's error object, for clients of its API. */
function anthropic(reply: LocalReply): EnvoyJson {
  return { type: 'error', error: { type: reply.type, message: reply.message }, request_id: requestId }
}

/** Google's error object, for clients of the Gemini API: the request's id is one of its details. */
function google(reply: LocalReply): EnvoyJson {
  const type = 'type.googleapis.com/google.rpc.'
  return {
    error: {
      code: reply.status,
      message: reply.message,
      status: googleCodes[reply.type],
      details: [
        { '@type': `${type}ErrorInfo`, reason: reply.code.toUpperCase(), domain: 'chaperone' },
        { '@type': `${type}RequestInfo`, requestId },
      ],
    },
  }
}

/** OpenAI's error object, for everyone else. */
function openai(reply: LocalReply): EnvoyJson {
  return { error: { message: reply.message, type: reply.type, param: null, code: reply.code }, request_id: requestId }
}

/** JSON-RPC's error object, for clients of MCP: Envoy does not know the request's id. */
function jsonRpc(reply: LocalReply): EnvoyJson {
  return {
    jsonrpc: '2.0',
    id: null,
    error: {
      code: reply.type === 'request_too_large' ? -32600 : -32603,
      message: reply.message.replace('No provider of this model', 'The server').replace('a provider', 'a server'),
      data: { reason: reply.code, requestId },
    },
  }
}

/** The gateway's codes in A2A's JSON-RPC (docs/a2a.md). */
const agentCodes = { request_too_large: -32084, overloaded_error: -32085, timeout_error: -32086 } as const

/** The same for clients of A2A, whose details are Google's in this binding too. */
function agentRpc(reply: LocalReply): EnvoyJson {
  const { error } = google(reply) as { error: { details: EnvoyJson[] } }
  return {
    jsonrpc: '2.0',
    id: null,
    error: { code: agentCodes[reply.type], message: agentWords(reply), data: error.details },
  }
}

/** Who is asked is an agent. */
function agentWords({ message }: LocalReply): string {
  return message.replace('No provider of this model', 'The agent').replace('a provider', 'an agent')
}

/** gRPC's codes for each type. */
const grpcCodes = { request_too_large: 8, overloaded_error: 14, timeout_error: 4 } as const

const grpc = '"content-type" in request.headers && request.headers["content-type"].startsWith("application/grpc")'

/** The same for clients of gRPC. Envoy makes `grpc-message` of the text; the details say that it is the gateway's. */
function grpcMapper(reply: LocalReply): EnvoyJson {
  const code = grpcCodes[reply.type]
  const message = agentWords(reply)
  const info = create(ErrorInfoSchema, { reason: reply.code.toUpperCase(), domain: 'chaperone' })
  const details = create(StatusSchema, { code, message, details: [anyPack(ErrorInfoSchema, info)] })
  return {
    ...mapperOf(reply, `${grpc} && (${reply.when})`),
    body_format_override: { text_format_source: { inline_string: message } },
    headers_to_add: [
      overwritten('grpc-status', String(code)),
      overwritten('grpc-status-details-bin', Buffer.from(toBinary(StatusSchema, details)).toString('base64')),
    ],
  }
}

const mcp = '(request.path == "/mcp" || request.path.startsWith("/mcp/") || request.path.startsWith("/mcp?"))'

const a2a = 'request.path.startsWith("/a2a/")'
/** JSON-RPC is asked at the agent's own path; what is below it is the other binding, whose errors are Google's (A2A 1.0, section 11.6). */
const a2aRpc = `${a2a} && request.path.matches("^/a2a/[^/?]+(\\\\?.*)?$")`

/** Gives Envoy's own answers the error format of the client's API. */
export function localReplies(maxRequestBytes: number): EnvoyJson {
  const mapper = (reply: LocalReply, when: string, body: EnvoyJson) => ({
    ...mapperOf(reply, when),
    body_format_override: { json_format: body },
    headers_to_add: [overwritten('content-type', 'application/json')],
  })
  return {
    mappers: [
      ...httpReplies(),
      ...replies(maxRequestBytes).flatMap((reply) => [
        grpcMapper(reply),
        mapper(reply, `${mcp} && (${reply.when})`, jsonRpc(reply)),
        mapper(reply, `${a2aRpc} && (${reply.when})`, agentRpc(reply)),
        mapper(reply, `${a2a} && (${reply.when})`, google(reply)),
        mapper(reply, `xds.route_name.startsWith("${messagesRoutePrefix}") && (${reply.when})`, anthropic(reply)),
        mapper(reply, `xds.route_name.startsWith("${geminiRoutePrefix}") && (${reply.when})`, google(reply)),
        mapper(reply, reply.when, openai(reply)),
      ]),
    ],
  }
}

function mapperOf({ status }: LocalReply, when: string): EnvoyJson {
  return {
    filter: celFilter(when),
    status_code: status,
  }
}

const overwritten = (key: string, value: string) => ({
  header: { key, value },
  append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
})
