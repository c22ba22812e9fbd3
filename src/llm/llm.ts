import type { AgentRequest, Decision, LocalAnswer, Protocol } from '../protocol.ts'
import { chooseFirst } from './balance.ts'
import type { Lineup, LlmRules } from './compile.ts'
import type { Conversation, JsonObject } from './conversation.ts'
import { countClients } from './count-tokens.ts'
import { type ClientDialectName, type ClientFormat, clientDialects } from './dialects/index.ts'
import { type Call, type Endpoint, endpointOf } from './endpoints.ts'
import { ApiError } from './errors.ts'
import { parseObject } from './json.ts'
import { localError } from './local.ts'
import { modelList, oneModel } from './models.ts'
import { type ClientRequest, type Outgoing, writeOutgoing } from './outgoing.ts'
import { type LlmContext, LlmPlan } from './plan.ts'
import type { Operation } from './providers/provider.ts'

/** The LLM APIs under one set of rules. */
export class LlmProtocol implements Protocol {
  readonly #rules: LlmRules
  readonly #context: LlmContext

  constructor(rules: LlmRules, context: LlmContext) {
    this.#rules = rules
    this.#context = context
  }

  decide(request: AgentRequest): Decision {
    const endpoint = endpointOf(request.method, request.path, request.headers.has('anthropic-version'))
    switch (endpoint.type) {
      case 'call':
        try {
          return this.#plan(request, endpoint)
        } catch (error) {
          if (!(error instanceof ApiError)) throw error
          return { type: 'answer', answer: localError(endpoint.format, error, request.id) }
        }
      case 'models':
        return { type: 'answer', answer: this.#models(request, endpoint) }
      case 'refused': {
        const answer = localError(endpoint.format, endpoint.error, request.id)
        if (endpoint.allowed !== undefined) answer.headers.push(['allow', endpoint.allowed])
        return { type: 'answer', answer }
      }
    }
  }

  #models(request: AgentRequest, { name, format }: Endpoint & { type: 'models' }): LocalAnswer {
    if (name === undefined) return modelList(this.#rules, format)
    if (this.#rules.model(name)) return oneModel(this.#rules, name, format)
    return localError(format, unknownModel(name, format), request.id)
  }

  #plan(request: AgentRequest, call: Call): Decision {
    const json = readBody(request)
    const name = call.model ?? json.model
    if (typeof name !== 'string' || name === '')
      throw new ApiError(
        400,
        'invalid_request_error',
        call.model === undefined
          ? 'The request names no model. Set `model` to a name from GET /v1/models.'
          : 'The path names no model. Put a name from GET /v1beta/models into it.',
        { code: 'missing_model', param: 'model' },
      )
    const model = this.#rules.model(name)
    if (!model) throw unknownModel(name, call.format)
    const lineup = model.lineup(call.operation)
    if (!lineup)
      throw new ApiError(
        400,
        'invalid_request_error',
        `No provider of the model ${name} serves ${request.path}. Choose another model.`,
        {
          code: 'unsupported_operation',
          param: 'model',
        },
      )
    const client = new ParsedRequest(call, name, request, json)
    const [group, member] = chooseFirst(lineup.groups, request.arrived)
    const { order, first } = writeFirst(client, lineup, group, member)
    const plan = new LlmPlan({
      id: request.id,
      request: client,
      model,
      order,
      first,
      context: this.#context,
      arrived: request.arrived,
      traceparent: request.headers.get('traceparent'),
    })
    return { type: 'plan', plan }
  }
}

function unknownModel(name: string, format: ClientFormat): ApiError {
  const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name
  const list = format === 'gemini' ? '/v1beta/models' : '/v1/models'
  return new ApiError(
    404,
    'not_found_error',
    `There is no model ${JSON.stringify(shown)} here. GET ${list} lists the names you can use.`,
    { code: 'model_not_found', param: 'model' },
  )
}

type Order = Lineup['orders'][number][number]

/**
 * Writes the request for its first target: now, so that what it cannot express is refused before anything is sent.
 * Where the first choice cannot express it another may, in the order of the rules.
 * @throws {ApiError} the first choice's refusal, where no target can
 */
function writeFirst(
  client: ClientRequest,
  lineup: Lineup,
  group: number,
  member: number,
): { order: Order; first: Outgoing } {
  const chosen = lineup.orders[group]![member]!
  try {
    return write(client, chosen)
  } catch (refusal) {
    if (!(refusal instanceof ApiError)) throw refusal
    for (const order of lineup.orders.flat()) {
      if (order === chosen) continue
      try {
        return write(client, order)
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
      }
    }
    throw refusal
  }
}

function write(client: ClientRequest, order: Order): { order: Order; first: Outgoing } {
  const { provider, model } = order.targets[0]!
  return { order, first: writeOutgoing(client, provider, model ?? client.model) }
}

const jsonTypes = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i

/** @throws {ApiError} where the body is no JSON object of an acceptable type */
function readBody(request: AgentRequest): JsonObject {
  const encoding = request.headers.get('content-encoding')
  if (encoding !== undefined && encoding !== '' && encoding.toLowerCase() !== 'identity')
    throw new ApiError(
      415,
      'invalid_request_error',
      `A body compressed with ${encoding.slice(0, 40)} cannot be read here. Send it uncompressed.`,
      {
        code: 'unsupported_content_encoding',
      },
    )
  const type = request.headers.get('content-type')
  if (type !== undefined && !jsonTypes.test(type))
    throw new ApiError(
      415,
      'invalid_request_error',
      `The content type is ${type.slice(0, 100)}; send application/json.`,
      {
        code: 'unsupported_content_type',
      },
    )
  if (request.body.length === 0)
    throw new ApiError(400, 'invalid_request_error', 'The request has no body. Send a JSON object.', {
      code: 'empty_body',
    })
  const json = parseObject(request.body)
  if (!json)
    throw new ApiError(
      400,
      'invalid_request_error',
      'The body is not a JSON object. Check that it is complete and well-formed.',
      {
        code: 'invalid_json',
      },
    )
  return json
}

class ParsedRequest implements ClientRequest {
  readonly operation: Operation
  readonly format: ClientFormat
  readonly model: string
  readonly stream: boolean
  readonly bytes: Uint8Array
  readonly json: JsonObject
  readonly headers: Readonly<Record<string, string | undefined>>
  #conversation: Conversation | undefined

  constructor({ operation, format, stream }: Call, model: string, request: AgentRequest, json: JsonObject) {
    this.operation = operation
    this.format = format
    this.model = model
    this.stream = stream ?? (json.stream === true && operation !== 'embeddings' && operation !== 'count_tokens')
    this.bytes = request.body
    this.json = json
    const { headers } = request
    this.headers = {
      'anthropic-version': headers.get('anthropic-version'),
      'anthropic-beta': headers.get('anthropic-beta'),
      'openai-beta': headers.get('openai-beta'),
    }
  }

  conversation(): Conversation {
    this.#conversation ??= { ...this.#read(), stream: this.stream }
    return this.#conversation
  }

  #read(): Conversation {
    const format = this.format as ClientDialectName
    return this.operation === 'count_tokens'
      ? countClients[format]!.readCountRequest(this.json)
      : clientDialects[format].readRequest(this.json)
  }
}
