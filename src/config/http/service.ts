import { z } from 'zod'
import { baseUrl, duration, port } from '../primitives.ts'
import { one } from './match.ts'
import { headerName, path } from './text.ts'

/** Servers that plain HTTP and gRPC go to. */

const hostname = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[^\s/:]+$|^[0-9a-fA-F:.]+$/, 'must be a host’s name or an IP address')
const percent = z.number().min(0).max(100)
const many = z.int().min(1).max(4_000_000)

const tls = z
  .strictObject({
    caFile: z.string().min(1).optional().describe('PEM file of the authorities to trust instead of the system’s'),
    serverName: z.string().min(1).max(253).optional().describe('The name to ask for and to verify; default: the host'),
    subjectAltNames: z
      .array(
        z
          .strictObject({
            dns: z.string().min(1).max(253).optional().describe('A DNS name; *. may stand in front of it'),
            uri: z.string().min(1).max(2048).optional().describe('A URI, such as a SPIFFE id'),
          })
          .refine(({ dns, uri }) => one(dns, uri) === 1, 'needs exactly one of dns and uri'),
      )
      .max(20)
      .default([])
      .describe('The certificate must be for one of these, instead of `serverName`'),
    certificateFile: z.string().min(1).optional().describe('PEM file with a certificate to show (mTLS)'),
    keyFile: z.string().min(1).optional().describe('Its private key'),
  })
  .refine(({ certificateFile, keyFile }) => one(certificateFile, keyFile) !== 1, {
    error: 'needs certificateFile and keyFile together',
  })
  .describe('TLS towards the service. Verification cannot be switched off; the files are read again when they change.')

const hashKey = z
  .strictObject({
    header: headerName.optional().describe('The value of this header'),
    cookie: z
      .strictObject({
        name: z
          .string()
          .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/)
          .describe('Its name'),
        ttl: duration.optional().describe('It is made where it is missing, and lasts this long'),
        path: path.optional().describe('The path it is for'),
      })
      .optional()
      .describe('The value of this cookie'),
    query: z.string().min(1).max(200).optional().describe('The value of this parameter of the query'),
    address: z.literal(true).optional().describe('The client’s address'),
  })
  .refine(
    ({ header, cookie, query, address }) => one(header, cookie, query, address) === 1,
    'needs exactly one of header, cookie, query and address',
  )

const health = z
  .strictObject({
    type: z.enum(['http', 'grpc', 'tcp']).default('http').describe('A GET, gRPC’s health protocol, or a connection'),
    path: path.default('/').describe('What is asked for (http)'),
    host: z.string().min(1).max(253).optional().describe('The Host header; default: the server’s name'),
    statuses: z
      .array(z.int().min(100).max(599))
      .min(1)
      .max(50)
      .default([200])
      .describe('The statuses of a server that is well (http)'),
    service: z.string().max(300).optional().describe('The service that is asked after (grpc); default: the server'),
    interval: duration.default('10s').describe('Time between two questions'),
    timeout: duration.default('2s').describe('How long an answer may take'),
    healthyAfter: z.int().min(1).max(100).default(2).describe('Good answers in a row until it is used again'),
    unhealthyAfter: z.int().min(1).max(100).default(3).describe('Bad ones in a row until it is not used any more'),
  })
  .describe('Asks each server whether it is well')

const outlier = z
  .strictObject({
    consecutive5xx: z.int().min(1).max(10_000).default(5).describe('Answers of 5xx in a row, failed connections too'),
    consecutiveGatewayErrors: z.int().min(1).max(10_000).optional().describe('Answers of 502, 503 and 504 in a row'),
    interval: duration.default('10s').describe('Time between two looks'),
    ejectFor: duration.default('30s').describe('How long it is left out, times how often that has happened'),
    maxEjectedPercent: percent.default(50).describe('At most this share of the servers is left out'),
  })
  .describe('Leaves out servers that fail')

const breaker = z
  .strictObject({
    connections: many.default(65_536).describe('Connections'),
    pending: many.default(65_536).describe('Requests that wait for a connection'),
    requests: many.default(65_536).describe('Requests under way'),
    retryBudget: z
      .strictObject({
        percent: percent.default(20).describe('Retries under way, as a share of requests under way'),
        atLeast: z.int().min(0).max(65_536).default(10).describe('This many are always allowed'),
      })
      .prefault({})
      .describe('How many retries there may be at once'),
  })
  .describe('The most that goes to the service at once; what is more gets 503')

export const balances = ['least-request', 'round-robin', 'random', 'ring-hash', 'maglev'] as const
export const protocols = ['auto', 'h1', 'h2', 'h3', 'grpc'] as const

export const service = z
  .strictObject({
    url: baseUrl
      .optional()
      .describe('One server, or a name that means several: http://orders:8080, https://api.example.com'),
    endpoints: z
      .array(
        z.strictObject({
          address: hostname.describe('An IP address or a name'),
          port: port.describe('Its TCP port'),
          weight: z.int().min(1).max(128).default(1).describe('Its share'),
        }),
      )
      .min(1)
      .max(1000)
      .optional()
      .describe('The servers, instead of a URL'),
    protocol: z
      .enum(protocols)
      .default('auto')
      .describe('auto: HTTP/2 where TLS offers it, else HTTP/1.1. grpc is h2; h3 needs TLS.'),
    tls: tls.optional(),
    balance: z
      .enum(balances)
      .default('least-request')
      .describe('How a server is chosen; least-request is the better of two draws'),
    hashOn: z
      .array(hashKey)
      .max(8)
      .default([])
      .describe('What ring-hash and maglev choose by; the first that is there'),
    health: health.optional(),
    outlier: outlier.optional(),
    panicPercent: percent
      .default(50)
      .describe('With fewer healthy servers than this all are used, healthy or not; 0: never'),
    breaker: breaker.prefault({}),
    connectTimeout: duration.default('5s').describe('How long a connection, with its TLS handshake, may take to open'),
    idleTimeout: duration
      .optional()
      .describe('How long a connection may be unused; default: 4s without TLS, 50s with it, below what servers have'),
    maxRequestsPerConnection: many.optional().describe('A connection is left after this many requests'),
  })
  .meta({ title: 'Service' })
  .describe('A server, or several that are the same')

export type ServiceRule = z.output<typeof service>
export type HashKeyRule = z.output<typeof hashKey>
