import { isObject } from '../../json.ts'
import type { JsonObject } from '../protocol.ts'

/** @returns why the client cannot be asked this */
export function lackingCapability(method: string, params: JsonObject, capabilities: JsonObject): string | undefined {
  switch (method) {
    case 'sampling/createMessage':
      return isObject(capabilities.sampling) ? undefined : 'The client does not support sampling'
    case 'roots/list':
      return isObject(capabilities.roots) ? undefined : 'The client does not support roots'
    case 'elicitation/create': {
      const { elicitation } = capabilities
      if (!isObject(elicitation)) return 'The client does not support elicitation'
      const url = params.mode === 'url'
      // Without any mode it is the form (2025-11-25, Elicitation: Capabilities).
      const has = url ? isObject(elicitation.url) : isObject(elicitation.form) || !isObject(elicitation.url)
      return has ? undefined : `The client does not support elicitation by ${url ? 'URL' : 'form'}`
    }
    case 'tasks/get':
    case 'tasks/result':
    case 'tasks/cancel':
      return isObject(capabilities.tasks) ? undefined : 'The client does not support tasks'
    default:
      return 'Method not found'
  }
}
