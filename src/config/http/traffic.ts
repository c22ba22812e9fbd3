import { z } from 'zod'
import { duration } from '../primitives.ts'
import { one } from './match.ts'
import { headerName, path } from './text.ts'

/** How requests of a route are carried: times, retries, rates, faults, sizes. */

const percent = z.number().min(0).max(100)

export const timeLimit = z.union([duration, z.literal('none')]).describe('A duration (500ms, 30s, 10m), or none')

/** Envoy's names of what is tried again, by ours. */
export const retryConditions = [
  'connect-failure',
  'refused-stream',
  'reset',
  '5xx',
  'gateway-error',
  'retriable-4xx',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
] as const

export const retry = z
  .strictObject({
    attempts: z.int().min(1).max(20).default(2).describe('How often it is tried again'),
    on: z
      .array(z.enum(retryConditions))
      .default(['connect-failure', 'refused-stream'])
      .describe(
        'What is tried again. The default has not reached the service, so that any method may be; the last five are statuses of gRPC.',
      ),
    statuses: z.array(z.int().min(400).max(599)).max(50).default([]).describe('Statuses that are tried again as well'),
    perTry: duration.optional().describe('How long one attempt may take'),
    perTryIdle: duration.optional().describe('How long one attempt may be silent'),
    backoff: z
      .strictObject({
        base: duration.default('25ms').describe('The first wait is up to this; each further one up to twice as long'),
        max: duration.default('250ms').describe('The longest wait'),
      })
      .prefault({})
      .describe('Waits between attempts'),
    retryAfter: z
      .boolean()
      .default(false)
      .describe('Whether the service’s retry-after is waited for (up to 5 minutes)'),
  })
  .describe('Tries again, on another server where there is one. The service’s `breaker.retryBudget` bounds it.')

export const rateLimit = z
  .strictObject({
    requests: z.int().min(1).max(1_000_000_000).describe('How many requests a period may have'),
    per: duration.default('1s').describe('The period: 50ms or longer'),
    burst: z.int().min(1).max(1_000_000_000).optional().describe('How many may come at once; default: `requests`'),
    by: z
      .strictObject({
        header: headerName.optional().describe('Each value of this header; requests without it share the count'),
        address: z.literal(true).optional().describe('Each client’s address'),
      })
      .refine(({ header, address }) => one(header, address) === 1, 'needs exactly one of header and address')
      .optional()
      .describe('What is counted apart; default: nothing'),
    status: z.int().min(400).max(599).default(429).describe('What more requests get'),
    headers: z.boolean().default(false).describe('Whether answers say what is left (x-ratelimit-…)'),
  })
  .describe('A rate that this Envoy counts by itself. For one that all Envoys share: `governed` and `limits`.')

export const fault = z
  .strictObject({
    delay: z
      .strictObject({
        time: duration.describe('How long'),
        percent: percent.default(100).describe('Share of the requests'),
      })
      .optional()
      .describe('Lets requests wait'),
    abort: z
      .strictObject({
        status: z.int().min(200).max(599).optional().describe('The HTTP status'),
        grpcStatus: z.int().min(0).max(16).optional().describe('Or the gRPC status'),
        percent: percent.default(100).describe('Share of the requests'),
      })
      .refine(({ status, grpcStatus }) => one(status, grpcStatus) === 1, 'needs exactly one of status and grpcStatus')
      .optional()
      .describe('Lets requests fail'),
    headers: z.record(headerName, z.string().min(1).max(1024)).default({}).describe('Only requests with these headers'),
  })
  .refine(({ delay, abort }) => one(delay, abort) > 0, 'needs delay or abort')
  .describe('Makes faults, for tests of what clients do then')

export const compressions = ['gzip', 'brotli', 'zstd'] as const
export const compression = z
  .strictObject({
    algorithms: z
      .array(z.enum(compressions))
      .min(1)
      .default(['brotli', 'gzip'])
      .describe('The first is preferred where a client likes several equally'),
    minBytes: z.int().min(30).max(10_000_000).default(1024).describe('Shorter bodies are left as they are'),
    types: z
      .array(z.string().min(1).max(200))
      .min(1)
      .max(50)
      .default(['application/json', 'application/javascript', 'image/svg+xml', 'text/css', 'text/html', 'text/plain'])
      .describe('The media types that are compressed'),
  })
  .describe('Compresses answers for clients that accept it')

export const affinity = z
  .strictObject({
    cookie: z
      .strictObject({
        name: z
          .string()
          .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/)
          .describe('Its name'),
        ttl: duration.optional().describe('How long it lasts; default: the browser’s session'),
        path: path.default('/').describe('The path it is for'),
      })
      .optional()
      .describe('By a cookie that the gateway makes'),
    header: headerName.optional().describe('By a header of the answer that the client sends with further requests'),
    strict: z.boolean().default(false).describe('Whether requests fail (503) when their server is gone'),
  })
  .refine(({ cookie, header }) => one(cookie, header) === 1, 'needs exactly one of cookie and header')
  .describe('Requests of a client stay with the server that had its first')

export type RetryRule = z.output<typeof retry>
export type FaultRule = z.output<typeof fault>
export type RateLimitRule = z.output<typeof rateLimit>
export type CompressionRule = z.output<typeof compression>
export type AffinityRule = z.output<typeof affinity>
