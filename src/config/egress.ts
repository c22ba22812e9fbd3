import { isIP } from 'node:net'
import { z } from 'zod'
import { host } from './http/match.ts'
import { expression, name, port } from './primitives.ts'

/** What agents may reach through a listener that serves `egress`: known hosts under the rules, all else by rules of its own. */

const rangeHint = 'must be an address or a range of them, such as 10.0.0.0/8'
/** An IP address, or a network in CIDR notation. */
const range = z.string(rangeHint).refine((value) => isRange(value), rangeHint)

/** Whether a text is an IP address or a network. */
export function isRange(text: string): boolean {
  const [address = '', bits, more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || more !== undefined) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

const action = z.enum(['allow', 'deny', 'log'])

const egressRule = z
  .strictObject({
    name: name.describe('Its name, in errors, the log and the metrics'),
    hosts: z
      .array(z.union([range, host]))
      .min(1)
      .max(1000)
      .describe(
        'Names (example.com, *.example.com for all below, * for all), addresses, and networks such as 10.0.0.0/8',
      ),
    ports: z.array(port).min(1).max(100).optional().describe('The ports; default: all'),
    when: expression.optional().describe('For whom (CEL, a boolean), by `identity` and `request`; default: all'),
    action: action.describe('Let it through, refuse it, or let it through and say so in the log'),
    addresses: z
      .array(z.union([z.literal('private'), range]))
      .max(100)
      .default([])
      .describe(
        'Addresses beyond public ones that its names may turn out to have: `private` for all private networks, or networks',
      ),
  })
  .meta({ title: 'Egress rule' })
  .describe('What becomes of connections to hosts that are no model’s, MCP server’s or agent’s')

const authority = z
  .strictObject({
    directory: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Where one is made where there is none (authority.pem, only for this user), with what agents need: ca.pem, and bundle.pem, the system’s authorities with it',
      ),
    certificateFile: z.string().min(1).optional().describe('Or your own: PEM file with its certificate'),
    keyFile: z.string().min(1).optional().describe('Its private key, PKCS #8'),
  })
  .refine(
    ({ directory, certificateFile, keyFile }) =>
      directory === undefined
        ? certificateFile !== undefined && keyFile !== undefined
        : certificateFile === undefined && keyFile === undefined,
    'needs either directory, or certificateFile with keyFile',
  )
  .describe(
    'The authority that agents trust and that certificates of known hosts come from, so that TLS to them can be read',
  )

export const egress = z
  .strictObject({
    authority: authority.optional(),
    withoutAuthority: action
      .default('deny')
      .describe('What becomes of TLS to known hosts where there is no authority: it cannot be read then'),
    otherPaths: action
      .default('deny')
      .describe('What becomes of requests to known hosts that are of no API that is governed here, such as files'),
    rules: z.array(egressRule).max(1000).default([]).describe('The first whose hosts, ports and `when` fit decides'),
    default: action.default('deny').describe('What becomes of all else'),
  })
  .describe('Calls of unchanged agents, caught on their way out: docs/egress.md')

export type EgressRules = z.output<typeof egress>
export type EgressRule = z.output<typeof egressRule>
export type EgressAction = z.output<typeof action>
export type AuthorityRule = z.output<typeof authority>
