import type { ClientDialect, ObservedDialect, ProviderDialect } from '../dialect.ts'
import { chat } from './chat/index.ts'
import { completions } from './completions/index.ts'
import { converse } from './converse/index.ts'
import { gemini } from './gemini/index.ts'
import { messages } from './messages/index.ts'
import { responses } from './responses/index.ts'

/** The dialects that clients speak. */
export const clientDialects = { chat, completions, messages, responses, gemini } as const satisfies Record<
  string,
  ClientDialect & ObservedDialect
>

/** The dialects that providers speak. */
export const providerDialects = { chat, messages, responses, gemini, converse } as const satisfies Record<
  string,
  ProviderDialect
>

export type ClientDialectName = keyof typeof clientDialects
export type ProviderDialectName = keyof typeof providerDialects

/** The wire format of a client's API. */
export type ClientFormat = ClientDialectName | 'openai-embeddings'

/** The wire formats that stream as server-sent events and can be watched as they pass. */
export const observedDialects: Record<ClientDialectName, ObservedDialect> = clientDialects
