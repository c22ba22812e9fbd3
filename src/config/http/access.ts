import { z } from 'zod'
import { duration, name, secret } from '../primitives.ts'
import { one } from './match.ts'
import { headerName, textMatch } from './text.ts'

/** Who may use a route, as far as Envoy can tell by itself. */

const origins = z.array(textMatch).max(100)

export const cors = z
  .strictObject({
    origins: origins.min(1).describe('Web origins such as https://app.example.com; `*` for all'),
    methods: z
      .array(z.string().regex(/^(?:[A-Z]{1,20}|\*)$/, 'must be a method in capitals, or *'))
      .min(1)
      .default(['GET', 'HEAD', 'POST'])
      .describe('What scripts may use'),
    headers: z.array(headerName).max(100).default([]).describe('Request headers that scripts may set'),
    expose: z.array(headerName).max(100).default([]).describe('Response headers that scripts may read'),
    credentials: z.boolean().default(false).describe('Whether cookies and the like may come along'),
    maxAge: duration.optional().describe('How long browsers may keep the answer'),
  })
  .refine(({ origins, credentials }) => !credentials || !origins.some(all), {
    path: ['credentials'],
    error: 'must not be true where every origin is allowed; name the origins',
  })
  .describe('Answers browsers’ questions whether scripts of other origins may ask (CORS)')

function all(origin: z.output<typeof textMatch>): boolean {
  return origin === '*' || (typeof origin !== 'string' && (origin.regex === '.*' || origin.exact === '*'))
}

export const csrf = z
  .strictObject({
    origins: origins.default([]).describe('Origins that may change something, beside the request’s own host'),
  })
  .describe('Refuses requests that change something and do not say that they come from a page of a known origin')

export const jwt = z
  .strictObject({
    issuers: z.array(name).min(1).max(20).describe('Names of `identities.issuers`; a token of any of them is good'),
    optional: z.boolean().default(false).describe('Whether requests without a token go through; wrong tokens never do'),
    header: z
      .strictObject({
        name: headerName.describe('Its name'),
        prefix: z.string().max(50).default('').describe('What stands before the token'),
      })
      .optional()
      .describe('Where the token is, instead of `Authorization: Bearer`'),
    cookie: z.string().min(1).max(100).optional().describe('A cookie that the token may be in'),
    query: z.string().min(1).max(100).optional().describe('A parameter of the query that the token may be in'),
    forward: z.boolean().default(false).describe('Whether the service gets the token'),
    claims: z
      .record(headerName, z.string().min(1).max(200))
      .default({})
      .describe('Headers for the service, each from a claim; dots lead into objects. A client’s own are taken off.'),
  })
  .describe('Asks for a JWT')

export const apiKey = z
  .strictObject({
    keys: z
      .record(name, secret)
      .refine((keys) => Object.keys(keys).length > 0, 'needs at least one key')
      .describe('The clients’ keys by the clients’ names. They are read when the rules are put into force.'),
    header: headerName.optional().describe('Where the key is. Default: x-api-key'),
    query: z.string().min(1).max(100).optional().describe('Or in this parameter of the query'),
    cookie: z.string().min(1).max(100).optional().describe('Or in this cookie'),
    clientHeader: headerName.optional().describe('The header that tells the service the client’s name'),
    forward: z.boolean().default(false).describe('Whether the service gets the key'),
  })
  .refine(({ header, query, cookie }) => one(header, query, cookie) <= 1, 'takes only one of header, query and cookie')
  .describe('Asks for a key')

export const basicAuth = z
  .strictObject({
    usersFile: z
      .string()
      .min(1)
      .describe('Names and passwords as `htpasswd -s` writes them (SHA); read when the rules are put into force'),
  })
  .describe('Asks for a name and a password')

const cidr = z
  .string()
  .regex(
    /^(?:(?:\d{1,3}\.){3}\d{1,3}(?:\/(?:[12]?\d|3[0-2]))?|[0-9a-fA-F:]*:[0-9a-fA-F:.]*(?:\/(?:\d{1,2}|1[01]\d|12[0-8]))?)$/,
    'must be an address or a range of them, such as 10.0.0.0/8',
  )

export const clients = z
  .strictObject({
    addresses: z.array(cidr).max(1000).optional().describe('Addresses and ranges of them'),
    certificates: z
      .array(textMatch)
      .max(1000)
      .optional()
      .describe('Names of client certificates (URI, else DNS, else subject): the listener needs tls.clientCaFile'),
  })
  .refine(({ addresses, certificates }) => one(addresses, certificates) > 0, 'needs addresses or certificates')
  .describe('Lets only these through; where both are said, both must hold')

/** Asks a server of the operator's own (Envoy's ext_authz). */
export const authorizer = z
  .strictObject({
    service: name.describe('The name of one of `http.services`'),
    protocol: z
      .enum(['grpc', 'http'])
      .default('grpc')
      .describe('envoy.service.auth.v3.Authorization, or a request whose status is the answer'),
    path: z.string().max(500).default('').describe('Stands before the request’s path (http)'),
    timeout: duration.default('1s').describe('How long it may take'),
    bodyBytes: z
      .int()
      .min(0)
      .max(64 * 1024 * 1024)
      .default(0)
      .describe('How much of the body it gets; a longer body is cut for it'),
    failOpen: z.boolean().default(false).describe('Whether requests go through while it does not answer'),
    requestHeaders: z
      .array(headerName)
      .max(100)
      .default([])
      .describe('The headers it gets; default: all (grpc), few (http)'),
    responseHeaders: z
      .array(headerName)
      .max(100)
      .default([])
      .describe('Headers of its answer that the service gets (http)'),
  })
  .meta({ title: 'Authorizer' })
  .describe('A server that says whether requests may pass')

const bodyMode = z.enum(['none', 'buffered', 'streamed'])

/** Lets a server of the operator's own look at and change requests and answers (Envoy's ext_proc). */
export const processor = z
  .strictObject({
    service: name.describe('The name of one of `http.services`, of gRPC'),
    request: z
      .strictObject({
        headers: z.boolean().default(true).describe('Whether it sees the headers'),
        body: bodyMode.default('none').describe('How it sees the body'),
      })
      .prefault({})
      .describe('What it sees of requests'),
    response: z
      .strictObject({
        headers: z.boolean().default(true).describe('Whether it sees the headers'),
        body: bodyMode.default('none').describe('How it sees the body'),
      })
      .prefault({})
      .describe('What it sees of answers'),
    timeout: duration.default('1s').describe('How long each of its answers may take'),
    failOpen: z.boolean().default(false).describe('Whether requests go through while it does not answer'),
  })
  .meta({ title: 'Processor' })
  .describe('A server that looks at requests and answers, and may change them')

export type CorsRule = z.output<typeof cors>
export type JwtRule = z.output<typeof jwt>
export type ApiKeyRule = z.output<typeof apiKey>
export type ClientsRule = z.output<typeof clients>
export type AuthorizerRule = z.output<typeof authorizer>
export type ProcessorRule = z.output<typeof processor>
