import type { Conversation, JsonObject } from './conversation.ts'
import type { RequestContext } from './dialect.ts'
import * as converse from './dialects/converse/count-tokens.ts'
import * as geminiClient from './dialects/gemini/count-client.ts'
import * as gemini from './dialects/gemini/count-tokens.ts'
import type { ClientDialectName, ProviderDialectName } from './dialects/index.ts'
import * as messages from './dialects/messages/count-tokens.ts'
import { responses } from './dialects/responses/index.ts'
import { ApiError } from './errors.ts'
import { countOf } from './fields.ts'

/** How a provider counts the tokens of a conversation, by the dialect of its route. */
export interface TokenCounter {
  /** @throws {ApiError} 400 through `context.refuse` */
  writeCountRequest(conversation: Conversation, context: RequestContext): JsonObject
  /** @throws {ApiError} 502 where the answer holds no count */
  readCountAnswer(body: JsonObject): number
}

/** OpenAI's /v1/responses/input_tokens takes a request of /v1/responses; the provider cuts it to the fields it has. */
const openai: TokenCounter = {
  writeCountRequest: (conversation, context) => responses.writeRequest(conversation, context),
  readCountAnswer(body) {
    const tokens = countOf(body.input_tokens)
    if (tokens !== undefined) return tokens
    throw new ApiError(502, 'api_error', "The provider's answer holds no count of tokens. Try again.", {
      code: 'bad_provider_answer',
    })
  },
}

export const tokenCounters: Partial<Record<ProviderDialectName, TokenCounter>> = {
  gemini,
  messages,
  converse,
  responses: openai,
}

/** How a client asks for a count, by the format of its API. */
export interface CountClient {
  /** @throws {ApiError} 400 as readRequest does */
  readCountRequest(body: JsonObject): Conversation
  writeCountAnswer(tokens: number): JsonObject
}

export const countClients: Partial<Record<ClientDialectName, CountClient>> = { messages, gemini: geminiClient }
