import type { Operation } from './providers/provider.ts'

/** The client APIs by path; all take POST. */
const operations = new Map<string, Operation>([
  ['/v1/chat/completions', 'chat'],
  ['/v1/completions', 'completions'],
  ['/v1/embeddings', 'embeddings'],
  ['/v1/responses', 'responses'],
  ['/v1/messages', 'messages'],
  ['/v1/messages/count_tokens', 'count_tokens'],
])

/** What a request asks for. `model`: /v1/models or /v1/models/NAME. */
export type Endpoint =
  | { type: 'operation'; operation: Operation }
  | { type: 'models'; name: string | undefined }
  | { type: 'method_not_allowed'; allowed: string }
  | { type: 'unknown' }

/** @param path with query */
export function endpointOf(method: string, path: string): Endpoint {
  const mark = path.indexOf('?')
  const bare = mark === -1 ? path : path.slice(0, mark)
  const operation = operations.get(bare)
  if (operation)
    return method === 'POST' ? { type: 'operation', operation } : { type: 'method_not_allowed', allowed: 'POST' }
  if (bare === '/v1/models' || bare.startsWith('/v1/models/')) {
    if (method !== 'GET') return { type: 'method_not_allowed', allowed: 'GET' }
    const rest = bare.slice('/v1/models/'.length)
    return { type: 'models', name: rest === '' ? undefined : decode(rest) }
  }
  return { type: 'unknown' }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
