import type { Tool } from '../protocol.ts'
import { digest } from './digest.ts'
import type { Sighting } from './server-pins.ts'

/** Tools for tests. */

export function toolNamed(name: string, description = `Does ${name}.`, more: Partial<Tool> = {}): Tool {
  return { name, description, inputSchema: { type: 'object', properties: { path: { type: 'string' } } }, ...more }
}

/** A tool as it is noted where it is not the approved one. */
export function waitingFor(tool: Tool): Sighting & { type: 'waiting' } {
  return { type: 'waiting', tool: tool.name, digest: digest(tool), definition: tool }
}
