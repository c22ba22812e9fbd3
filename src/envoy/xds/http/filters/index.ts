import type { FilterMaker } from '../filter.ts'
import { affinityFilter } from './affinity.ts'
import { corsFilter, csrfFilter } from './browser.ts'
import { clientsFilter } from './clients.ts'
import { bodyLimitFilter, compressionFilters } from './content.ts'
import { apiKeyFilter, basicAuthFilter } from './credentials.ts'
import { faultFilter } from './faults.ts'
import { grpcWebFilter, transcodeFilter } from './grpc.ts'
import { authorizerFilters, processorFilters } from './helpers.ts'
import { jwtAlgorithmsFilter, jwtFilter } from './jwt.ts'
import { rateLimitFilter } from './rate-limit.ts'

/** Everything that a route may need of filters. */
export const filterMakers: readonly FilterMaker[] = [
  corsFilter,
  csrfFilter,
  clientsFilter,
  basicAuthFilter,
  apiKeyFilter,
  jwtFilter,
  jwtAlgorithmsFilter,
  rateLimitFilter,
  authorizerFilters,
  processorFilters,
  faultFilter,
  bodyLimitFilter,
  compressionFilters,
  grpcWebFilter,
  transcodeFilter,
  affinityFilter,
]
