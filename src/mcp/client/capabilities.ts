import { isObject } from '../../json.ts'
import type { Endpoint } from '../endpoint.ts'
import { type Era, type JsonObject, tasksExtension } from '../protocol.ts'
import type { ServerInfo } from '../server/link.ts'
import type { McpServer } from '../server/server.ts'
import { makesTasks } from '../tasks/words.ts'

/**
 * What many servers can do together: what any of them can. Lists may change by the rules alone, so that the gateway tells
 * of it whatever the servers say.
 */
export function mergedCapabilities(infos: readonly ServerInfo[], era: Era): JsonObject {
  const merged: JsonObject = {}
  for (const { capabilities } of infos) {
    for (const kind of ['tools', 'prompts', 'resources'])
      if (isObject(capabilities[kind])) merged[kind] = { ...(merged[kind] as object), listChanged: true }
    if (isObject(capabilities.resources) && capabilities.resources.subscribe === true)
      merged.resources = { ...(merged.resources as object), subscribe: true }
    for (const kind of ['logging', 'completions']) if (isObject(capabilities[kind])) merged[kind] = {}
    if (isObject(capabilities.experimental))
      merged.experimental = { ...(merged.experimental as object), ...capabilities.experimental }
    if (era === 'modern' && isObject(capabilities.extensions))
      merged.extensions = { ...(merged.extensions as object), ...capabilities.extensions }
    if (makesTasks(capabilities)) {
      if (era === 'modern') merged.extensions = { ...(merged.extensions as object), [tasksExtension]: {} }
      else merged.tasks = { list: {}, cancel: {}, requests: { tools: { call: {} } } }
    }
  }
  return merged
}

/** The instructions of the rules and of the servers, each under its name. */
export function mergedInstructions({ rule }: Endpoint, infos: ReadonlyMap<McpServer, ServerInfo>): string | undefined {
  const parts: string[] = []
  if (rule.instructions) parts.push(rule.instructions)
  if (rule.serverInstructions)
    for (const [{ name }, { instructions }] of infos)
      if (instructions) parts.push(infos.size > 1 ? `# ${name}\n\n${instructions.slice(0, 20_000)}` : instructions)
  return parts.length > 0 ? parts.join('\n\n') : undefined
}
