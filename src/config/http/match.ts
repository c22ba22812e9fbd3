import { z } from 'zod'
import { headerName, path, regex, textMatch } from './text.ts'

const hostHint = 'must be a host such as api.example.com or *.example.com, in lower case and without a port'
/** A host; a `*` may stand for its first labels. */
export const host = z
  .string(hostHint)
  .max(253)
  .regex(/^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$|^\*$/, hostHint)

const grpcName = /^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*$/

/** Which requests a route takes. */
export const match = z
  .strictObject({
    path: path.optional().describe('The whole path'),
    prefix: path
      .optional()
      .describe('The path, or what is below it: /shop is for /shop and /shop/cart, not for /shopping'),
    regex: regex.optional().describe('A regular expression (RE2) for the whole path'),
    template: path
      .optional()
      .describe('The path with names for its parts: /users/{id}, /files/{rest=**}; a * is one part, ** are many'),
    methods: z
      .array(z.string().regex(/^[A-Z]{1,20}$/, 'must be a method in capitals'))
      .min(1)
      .max(20)
      .optional()
      .describe('The methods; default: all'),
    headers: z
      .record(headerName, textMatch)
      .default({})
      .describe('Headers by name, each with its value or a way to compare it. All must match.'),
    query: z.record(z.string().min(1).max(200), textMatch).default({}).describe('The same for parameters of the query'),
    grpc: z
      .strictObject({
        service: z
          .string()
          .max(300)
          .regex(grpcName, 'must be a gRPC service with its package, such as shop.v1.Orders')
          .optional()
          .describe('The service with its package; default: all'),
        method: z
          .string()
          .regex(/^[A-Za-z_][A-Za-z0-9_]{0,199}$/, 'must be a method of a gRPC service')
          .optional()
          .describe('The method; default: all of the service'),
      })
      .optional()
      .describe('Takes gRPC calls, instead of a path'),
    percent: z
      .number()
      .gt(0)
      .max(100)
      .optional()
      .describe('Takes this share of the requests only; the others go on to the next routes'),
  })
  .refine(({ path, prefix, regex, template, grpc }) => one(path, prefix, regex, template, grpc) <= 1, {
    error: 'takes only one of path, prefix, regex, template and grpc',
  })
  .refine(({ grpc }) => grpc?.method === undefined || grpc.service !== undefined, {
    path: ['grpc', 'method'],
    error: 'needs the service as well',
  })
  .meta({ title: 'Match' })
  .describe('The requests that the route takes; default: all')

/** How many are said. */
export function one(...ways: readonly unknown[]): number {
  return ways.filter((way) => way !== undefined).length
}

export type MatchRule = z.output<typeof match>
