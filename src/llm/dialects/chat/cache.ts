import type { CacheMarker, JsonObject } from '../../conversation.ts'
import { isObject, objectOf } from '../../fields.ts'

/** Reads the cache marker of a message, content part or tool. @returns undefined where it has none */
export type CacheReader = (object: JsonObject) => CacheMarker | undefined

/**
 * A reader for the two ways a request marks where a cached prefix ends: Anthropic's `cache_control`, which LiteLLM and
 * OpenRouter take over, and OpenAI's `prompt_cache_breakpoint`, kept for at least half an hour where the request's
 * `prompt_cache_options` say so, while other caches know five minutes or an hour.
 */
export function cacheReader(body: JsonObject): CacheReader {
  const longer = (objectOf(body.prompt_cache_options).ttl ?? undefined) !== undefined
  return (object) => {
    const control = object.cache_control
    if (isObject(control)) return { ttl: control.ttl === '1h' ? '1h' : '5m' }
    return isObject(object.prompt_cache_breakpoint) ? { ttl: longer ? '1h' : '5m' } : undefined
  }
}
