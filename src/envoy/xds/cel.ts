import type { EnvoyJson } from './filters.ts'

/** A filter of access logs and local replies that is a CEL expression over the request and its answer. */
export function celFilter(expression: string): EnvoyJson {
  return {
    extension_filter: {
      name: 'envoy.access_loggers.extension_filters.cel',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter',
        expression,
      },
    },
  }
}
