import type { HeaderChangesRule } from '../../../config/http/action.ts'
import type { EnvoyJson } from '../filters.ts'

/**
 * Changes of headers on a route.
 * @param of which of Envoy's fields they are for
 */
export function headerChanges(of: 'request' | 'response', { set, add, remove }: HeaderChangesRule): EnvoyJson {
  const options = [
    ...Object.entries(set).map(([key, value]) => option(key, value, 'OVERWRITE_IF_EXISTS_OR_ADD')),
    ...Object.entries(add).map(([key, value]) => option(key, value, 'APPEND_IF_EXISTS_OR_ADD')),
  ]
  return {
    ...(options.length > 0 && { [`${of}_headers_to_add`]: options }),
    ...(remove.length > 0 && { [`${of}_headers_to_remove`]: remove }),
  }
}

function option(key: string, value: string, append_action: string): EnvoyJson {
  return { header: { key, value }, append_action, ...(value === '' && { keep_empty_value: true }) }
}
