import { z } from 'zod'
import { apiKey, authorizer, basicAuth, clients, cors, csrf, jwt, processor } from './http/access.ts'
import { ai, headerChanges, mirror, redirect, respond, rewrite, weighted } from './http/action.ts'
import { host, match } from './http/match.ts'
import { passthrough } from './http/passthrough.ts'
import { service } from './http/service.ts'
import { affinity, compression, fault, rateLimit, retry, timeLimit } from './http/traffic.ts'
import { name } from './primitives.ts'

/** Plain HTTP and gRPC: the services there are, and the routes to them. Envoy does all of it by itself. */

const transcode = z
  .strictObject({
    descriptorFile: z
      .string()
      .min(1)
      .describe('What `protoc --descriptor_set_out --include_imports` makes of the .proto files'),
    services: z.array(z.string().min(1).max(300)).min(1).max(100).describe('The gRPC services, with their packages'),
    everyMethod: z
      .boolean()
      .default(false)
      .describe('Whether methods without google.api.http are POST /package.Service/Method'),
    protoNames: z.boolean().default(false).describe('Whether fields keep their names of the .proto file'),
    defaults: z.boolean().default(false).describe('Whether fields with their default value are written'),
    enumNumbers: z.boolean().default(false).describe('Whether enumerations are numbers'),
    ignoreQuery: z.boolean().default(false).describe('Whether unknown parameters of the query are no error'),
  })
  .describe('Takes JSON and makes gRPC of it (google.api.http)')

export const route = z
  .strictObject({
    name: name.describe('Its name, in errors and statistics'),
    listeners: z.array(name).min(1).optional().describe('The listeners it is on; default: all'),
    hosts: z.array(host).min(1).max(100).optional().describe('The hosts it is for; default: all'),
    match: match.prefault({}),
    service: name.optional().describe('Where requests go: the name of one of `http.services`'),
    services: z
      .array(weighted)
      .min(1)
      .max(50)
      .optional()
      .describe('Where they go, by shares, instead of one `service`'),
    redirect: redirect.optional(),
    respond: respond.optional(),
    ai: ai.optional(),
    rewrite: rewrite.optional(),
    requestHeaders: headerChanges.prefault({}).describe('Changes of the request’s headers'),
    responseHeaders: headerChanges.prefault({}).describe('Changes of the answer’s headers'),
    mirror: z.array(mirror).max(10).default([]).describe('Services that get a copy'),
    timeout: timeLimit
      .optional()
      .describe(
        'How long a request may take, answer and all attempts included; default: 15s, none for gRPC and upgrades',
      ),
    idleTimeout: timeLimit.default('5m').describe('How long nothing may come from either side'),
    retry: retry.optional(),
    cors: cors.optional(),
    csrf: csrf.optional(),
    clients: clients.optional(),
    jwt: jwt.optional(),
    apiKey: apiKey.optional(),
    basicAuth: basicAuth.optional(),
    authorizers: z.array(name).max(10).default([]).describe('Names of `http.authorizers` that are asked'),
    processors: z.array(name).max(10).default([]).describe('Names of `http.processors` that look on'),
    governed: z
      .boolean()
      .default(false)
      .describe('Whether the listener’s identities, the policies and the limits of these rules hold here'),
    costUsd: z
      .number()
      .min(0)
      .max(10_000)
      .optional()
      .describe('What a request counts in `budgets`, US dollars (governed routes); default: nothing'),
    rateLimit: rateLimit.optional(),
    maxRequestBytes: z
      .int()
      .min(1)
      .max(1024 * 1024 * 1024)
      .optional()
      .describe('The largest request body. It is read whole before the service gets it; a larger one gets 413.'),
    compression: compression.optional(),
    affinity: affinity.optional(),
    fault: fault.optional(),
    upgrades: z
      .array(z.enum(['websocket']))
      .default([])
      .describe('The protocols that connections may be upgraded to'),
    grpcWeb: z.boolean().default(false).describe('Whether gRPC-Web of browsers becomes gRPC'),
    transcode: transcode.optional(),
  })
  .meta({ title: 'Route' })
  .describe('Which requests it takes, and what becomes of them')

export const http = z
  .strictObject({
    services: z.record(name, service).default({}).describe('Servers, by names of your choosing'),
    authorizers: z.record(name, authorizer).default({}).describe('Servers that are asked whether requests may pass'),
    processors: z.record(name, processor).default({}).describe('Servers that look at requests and answers'),
    routes: z
      .array(route)
      .max(2000)
      .default([])
      .describe('In the order in which they are tried; the first that matches takes the request'),
    passthrough: z
      .array(passthrough)
      .max(1000)
      .default([])
      .describe('TLS connections that go on as they are, by the server name they ask for'),
  })
  .describe('Plain HTTP and gRPC beside the AI traffic: docs/http.md')

export type HttpRule = z.output<typeof http>
export type HttpRouteRule = z.output<typeof route>
export type TranscodeRule = z.output<typeof transcode>
