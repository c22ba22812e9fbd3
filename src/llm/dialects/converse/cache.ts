import type { CacheMarker } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { bedrockModel } from './model.ts'
import type { CachePoint } from './wire.ts'

/** Where a cache point may stand. */
type Place = 'system' | 'messages' | 'tools'

/**
 * Cache markers become cache points, blocks of their own behind what they close, where the model takes them
 * (docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html): Claude since 3.5 everywhere, Nova not among the
 * tools. Keeping for an hour is Claude's since 4.5; elsewhere the same prefix is kept for five minutes. Other models
 * would answer 400, so the marker, a hint, is dropped. A model whose id does not tell what it is gets it as asked.
 *
 * @returns the block, or nothing
 */
export function cachePoint(
  marker: CacheMarker | undefined,
  place: Place,
  context: RequestContext,
): { cachePoint: CachePoint }[] {
  if (marker === undefined) return []
  const model = bedrockModel(context.model)
  const taken =
    model.family === 'untold' ||
    (model.family === 'claude' && model.version >= 305) ||
    (model.family === 'nova' && place !== 'tools')
  if (!taken) {
    context.drop('cache')
    return []
  }
  if (marker.ttl === '5m') return [{ cachePoint: { type: 'default' } }]
  if (model.family === 'untold' || (model.family === 'claude' && model.version >= 405))
    return [{ cachePoint: { type: 'default', ttl: '1h' } }]
  context.drop('cache.ttl')
  return [{ cachePoint: { type: 'default' } }]
}
