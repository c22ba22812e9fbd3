import type { CompressionRule } from '../../../../config/http/traffic.ts'
import { type FilterMaker, switchedOn } from '../filter.ts'
import { digest, typed } from '../values.ts'

/** What is done to bodies: how large requests may be, and answers made smaller. */

const buffer = 'envoy.extensions.filters.http.buffer.v3.Buffer'

export const bodyLimitFilter: FilterMaker = ({ maxRequestBytes }) => {
  if (maxRequestBytes === undefined) return []
  return [
    {
      place: 'body-limit',
      name: 'envoy.filters.http.buffer',
      config: typed(buffer, { max_request_bytes: 1 }),
      onRoute: typed(`${buffer}PerRoute`, { buffer: { max_request_bytes: maxRequestBytes } }),
    },
  ]
}

const libraries: Record<CompressionRule['algorithms'][number], string> = {
  gzip: 'envoy.extensions.compression.gzip.compressor.v3.Gzip',
  brotli: 'envoy.extensions.compression.brotli.compressor.v3.Brotli',
  zstd: 'envoy.extensions.compression.zstd.compressor.v3.Zstd',
}

export const compressionFilters: FilterMaker = ({ compression }) => {
  if (!compression) return []
  const { algorithms, minBytes, types } = compression
  return algorithms.map((algorithm, index) => {
    const config = typed('envoy.extensions.filters.http.compressor.v3.Compressor', {
      response_direction_config: {
        common_config: {
          min_content_length: minBytes,
          // With their parameters: text/html; charset=utf-8.
          content_type_matcher: types.map((type) => ({ prefix: type, ignore_case: true })),
        },
      },
      compressor_library: { name: algorithm, typed_config: typed(libraries[algorithm]) },
      // Where the client likes several equally well.
      ...(index === 0 && { choose_first: true }),
    })
    return { place: 'compression', name: `compression/${algorithm}/${digest(config)}`, config, onRoute: switchedOn }
  })
}
