import type { GuardSession } from '../../guards/guards.ts'
import type { ClientRequest } from '../client-request.ts'
import { countClients, tokenCounters } from '../count-tokens.ts'
import type { AnswerContext, Observed } from '../dialect.ts'
import {
  type ClientDialectName,
  clientDialects,
  observedDialects,
  type ProviderDialectName,
  providerDialects,
} from '../dialects/index.ts'
import { embeddingDialects, readEmbeddingRequest, writeEmbeddingAnswer } from '../embeddings/index.ts'
import { GuardedEvents, guardAnswer } from '../guarded.ts'
import type { Outgoing } from '../outgoing.ts'
import type { EmbeddingApi } from '../providers/provider.ts'
import { ErrorReply } from './error.ts'
import { PassedStream } from './passed-stream.ts'
import { PassedWhole } from './passed-whole.ts'
import { garbage, type Reply } from './reply.ts'
import { TranslatedStream } from './translated-stream.ts'
import { TranslatedWhole } from './translated-whole.ts'

/**
 * Chooses what is made of a response.
 * @param context asked for only where something is written anew
 * @param guards look at the answer: then it is written anew even where both sides speak the same format
 */
export function chooseReply(
  request: ClientRequest,
  outgoing: Outgoing,
  seen: Observed,
  status: number,
  contentType: string,
  context: () => AnswerContext,
  guards?: GuardSession,
): Reply {
  const { dialect } = outgoing.route
  const { format } = request
  // Embedding APIs have the errors of the provider's chat API, or OpenAI's.
  const provider = providerDialects[errorDialects[dialect] ?? (dialect as ProviderDialectName)]
  if (status < 200 || status >= 300) return new ErrorReply(status, provider.readError)
  const streams = isStream(contentType)
  if (request.stream !== streams) return new WrongKind(request.stream, contentType)
  const observed = observedDialects[dialect as ClientDialectName] ?? openaiEmbeddings
  const chats = format !== 'openai-embeddings' && request.operation !== 'count_tokens'
  if (dialect === format && !(guards && chats))
    return streams ? new PassedStream(observed, seen, outgoing.hideUsage) : new PassedWhole(observed, seen)
  if (request.operation === 'embeddings') {
    const embeddings = embeddingDialects[dialect as EmbeddingApi]
    return new TranslatedWhole((json) => {
      const answer = embeddings.readAnswer(json)
      seen.model = answer.model
      seen.usage = { input: answer.inputTokens ?? 0, output: 0 }
      return writeEmbeddingAnswer(answer, readEmbeddingRequest(request.json), request.model)
    })
  }
  if (request.operation === 'count_tokens') {
    const counter = tokenCounters[dialect as ProviderDialectName]
    const client = countClients[format as ClientDialectName]
    return new TranslatedWhole((json) => client!.writeCountAnswer(counter!.readCountAnswer(json)))
  }
  const client = clientDialects[format as ClientDialectName]
  const reader = dialect === 'completions' ? clientDialects.completions : provider
  if (streams) {
    const guard = guards && new GuardedEvents(guards)
    return new TranslatedStream(reader.readStream(), client.writeStream(context()), seen, guard)
  }
  return new TranslatedWhole((json) => {
    const answer = reader.readAnswer(json)
    seen.id = answer.id
    seen.model = answer.model
    if (answer.usage) seen.usage = answer.usage
    for (const choice of answer.choices) seen.finishReasons.push(choice.finish)
    if (!guards) return client.writeAnswer(answer, context())
    const guarded = guardAnswer(guards, answer)
    return guarded instanceof Promise
      ? guarded.then((passed) => client.writeAnswer(passed, context()))
      : client.writeAnswer(guarded, context())
  })
}

/** Whose error format an API has that is not a chat dialect itself. */
const errorDialects: Partial<Record<string, ProviderDialectName>> = {
  completions: 'chat',
  'openai-embeddings': 'chat',
  'gemini-embeddings': 'gemini',
  'vertex-embeddings': 'gemini',
  'vertex-embed-content': 'gemini',
  'titan-embeddings': 'converse',
  'cohere-embeddings': 'converse',
}

/** OpenAI's embeddings pass through; their usage has the form of chat's. */
const openaiEmbeddings = observedDialects.chat

function isStream(contentType: string): boolean {
  return contentType.startsWith('text/event-stream') || contentType.startsWith('application/vnd.amazon.eventstream')
}

/** A stream where none was asked for, or the other way round: no answer to this request. */
class WrongKind implements Reply {
  readonly #asked: string
  readonly #got: string

  constructor(stream: boolean, contentType: string) {
    this.#asked = stream ? 'a stream' : 'a whole answer'
    this.#got = contentType
  }

  push(): ReturnType<Reply['push']> {
    return {
      type: 'fail',
      error: garbage(`it is ${this.#got.slice(0, 80) || 'of no type'} where ${this.#asked} was asked for`),
    }
  }
}
