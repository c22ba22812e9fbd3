import type { CacheMarker } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import type { Block, Cacheable, CacheControl, Message, TextBlock, ToolEntry } from './blocks.ts'

/** The API takes no more markers in a request. */
const limit = 4

/** A marker as a field of the block that it closes; nothing where there is none. */
export function cacheControl(marker: CacheMarker | undefined): { cache_control?: CacheControl } {
  if (marker === undefined) return {}
  return { cache_control: marker.ttl === '1h' ? { type: 'ephemeral', ttl: '1h' } : { type: 'ephemeral' } }
}

/**
 * Takes away all markers but the last four, in the order in which the API reads a prompt: tools, system, messages.
 * The last ones close the longest prefixes, and these contain the earlier ones.
 */
export function limitMarkers(
  prompt: { tools?: ToolEntry[]; system?: TextBlock[]; messages: Message[] },
  context: RequestContext,
): void {
  const blocks: (ToolEntry | Block)[] = [
    ...(prompt.tools ?? []),
    ...(prompt.system ?? []),
    ...prompt.messages.flatMap(({ content }) => content),
  ]
  const marked = blocks.filter(isMarked)
  if (marked.length <= limit) return
  context.drop('cache')
  for (const block of marked.slice(0, -limit)) delete block.cache_control
}

function isMarked(block: ToolEntry | Block): block is (ToolEntry | Block) & Cacheable {
  return 'cache_control' in block
}
