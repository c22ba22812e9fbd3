import { z } from 'zod'
import { duration, modelPatterns, name } from './primitives.ts'

/** Who callers are: where tokens come from, which workloads there are, and what teams may use. */

const owner = {
  user: z.string().min(1).max(200).optional().describe('The user it acts for'),
  team: name.optional().describe('The team it belongs to'),
  organization: name.optional().describe('The organization; default: the team’s'),
  models: modelPatterns.optional().describe('The models it may use; default: all that its team may use'),
  servers: z.array(name).optional().describe('The MCP servers it may use; default: all that its team may use'),
}

const claim = z.string().min(1).max(200)
const issuer = z
  .strictObject({
    issuer: z.string().min(1).describe('The exact `iss` of its tokens'),
    audiences: z.array(z.string().min(1)).min(1).describe('A token must name at least one of these in `aud`'),
    jwksUri: z
      .url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' })
      .optional()
      .describe('Where its keys are. Either this or jwksFile.'),
    jwksFile: z.string().min(1).optional().describe('A file with its keys (JWKS), read again when it changes'),
    algorithms: z
      .array(z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']))
      .min(1)
      .default(['RS256', 'ES256', 'EdDSA'])
      .describe('The signature algorithms that are accepted'),
    clockSkew: duration.default('30s').describe('How far its clock may be off'),
    userClaim: claim.default('sub').describe('The claim that names the user; dots lead into objects'),
    teamClaim: claim.optional().describe('The claim that names the team'),
    organizationClaim: claim.optional().describe('The claim that names the organization'),
  })
  .meta({ title: 'Issuer' })
  .describe('Someone whose JWTs are believed')

const workload = z
  .strictObject({
    spiffeId: z
      .string()
      .regex(
        /^spiffe:\/\/[a-z0-9._-]{1,255}(?=\/)(?:\/(?:\*|[A-Za-z0-9._-]+))*(?:\/\*\*)?$/,
        'must be a SPIFFE id such as spiffe://corp/ns/*/sa/agent, where a * is a whole segment and ** stands at the end',
      )
      .describe('The SPIFFE id of its certificate; a * stands for one path segment, ** at the end for the rest'),
    ...owner,
  })
  .meta({ title: 'Workload' })
  .describe('A workload that shows a client certificate')

export const identities = z
  .strictObject({
    issuers: z.record(name, issuer).default({}).describe('Those whose JWTs are believed'),
    workloads: z.record(name, workload).default({}).describe('Those who show client certificates (mTLS)'),
    pod: z
      .strictObject(owner)
      .prefault({})
      .describe('Whom requests without credentials come from, on listeners that accept `pod`'),
  })
  .describe('Who callers are. Virtual keys are made by `chaperone keys create` and do not stand here.')

export const identityKinds = ['key', 'jwt', 'mtls', 'pod', 'anonymous'] as const

export const listenerIdentity = z
  .strictObject({
    accept: z
      .array(z.enum(identityKinds))
      .min(1)
      .default(['anonymous'])
      .describe(
        'The identities that are accepted. Credentials of a kind that is accepted must be valid; `pod` and `anonymous` take requests that show none.',
      ),
    trustForwardedClientCert: z
      .boolean()
      .default(false)
      .describe(
        'Believe x-forwarded-client-cert as it comes: only where nothing but a mesh’s own proxy can reach the listener',
      ),
  })
  .describe('Who may ask here')

export const teams = z
  .record(
    name,
    z
      .strictObject({
        organization: name.optional().describe('The organization it belongs to'),
        models: modelPatterns.optional().describe('The models its members may use; default: all'),
        servers: z.array(name).optional().describe('The MCP servers its members may use; default: all'),
      })
      .meta({ title: 'Team' }),
  )
  .describe('Teams, by the names that keys and tokens use')

export type IdentitiesRule = z.output<typeof identities>
export type IssuerRule = z.output<typeof issuer>
export type WorkloadRule = z.output<typeof workload>
export type ListenerIdentityRule = z.output<typeof listenerIdentity>
export type TeamsRule = z.output<typeof teams>
