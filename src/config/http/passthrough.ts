import { z } from 'zod'
import { duration, name } from '../primitives.ts'
import { weighted } from './action.ts'
import { host } from './match.ts'

/** TLS that is not terminated here: connections go on as they are, by the server name (SNI) that they ask for. */
export const passthrough = z
  .strictObject({
    name: name.describe('Its name, in the log and in statistics'),
    listeners: z.array(name).min(1).optional().describe('The listeners it is on; default: all that serve passthrough'),
    hosts: z
      .array(host.refine((value) => value !== '*', 'must name hosts; *.example.com is the widest'))
      .min(1)
      .max(100)
      .describe('The server names that connections ask for; *.example.com for all below'),
    service: name.optional().describe('Where connections go: the name of one of `http.services`'),
    services: z
      .array(weighted)
      .min(1)
      .max(50)
      .optional()
      .describe('Where they go, by shares, instead of one `service`'),
    idleTimeout: duration.default('1h').describe('How long nothing may come from either side'),
  })
  .meta({ title: 'Passthrough' })
  .describe('Connections whose TLS ends at the service')

export type PassthroughRule = z.output<typeof passthrough>
