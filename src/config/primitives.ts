import { isIP } from 'node:net'
import { z } from 'zod'

/** What the sections of the rules are made of: names, durations, addresses, references to secrets. */

/** A name that the rules give something. */
export const name = z
  .string()
  .regex(
    /^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$/,
    'must be 1 to 63 letters, digits, dots, dashes or underscores, with a letter or digit at both ends',
  )

const durationPattern = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/
const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Milliseconds of a duration as the rules write it: `500ms`, `1.5s`, `10m`, `1h`. */
export function durationMs(text: string): number {
  const match = durationPattern.exec(text)
  if (!match) throw new RangeError(`not a duration: ${text}`)
  return Number(match[1]) * unitMs[match[2]!]!
}

const durationHint = 'must be a duration such as 500ms, 30s, 10m or 1h'
export const duration = z
  .string(durationHint)
  .regex(durationPattern, durationHint)
  .describe('A duration: 500ms, 30s, 10m, 1h')

/** A reference to a secret, never the secret itself. `${secret:NAMESPACE/NAME/KEY}` is one of Kubernetes: src/gateway-api/. */
const secretHint = 'must be a reference, ${env:NAME} or ${file:/path}; a secret is never written into the rules'
export const secret = z
  .string(secretHint)
  .regex(
    /^\$\{(?:env:[A-Za-z_][A-Za-z0-9_]*|file:[^}]+|secret:[a-z0-9.-]+\/[a-z0-9.-]+\/[-._a-zA-Z0-9]+)\}$/,
    secretHint,
  )
  .describe('A reference to a secret: ${env:NAME} or ${file:/path}. A file is read again when it changes.')

/** A key that seals what is kept outside of the process. */
export const sealKey = z.strictObject({
  id: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,16}$/, 'must be 1 to 16 letters, digits, dashes, underscores')
    .describe('Stands in front of what it sealed'),
  secret: secret.describe('A reference to at least 32 random bytes, in base64 or hex'),
})

const keyHint = `${secretHint}; or ${'${client}'}, the caller's own key`
/** A provider's key: a reference to a secret, or the caller's own. */
export const providerKey = z
  .string(keyHint)
  .regex(
    /^\$\{(?:env:[A-Za-z_][A-Za-z0-9_]*|file:[^}]+|client|secret:[a-z0-9.-]+\/[a-z0-9.-]+\/[-._a-zA-Z0-9]+)\}$/,
    keyHint,
  )
  .describe(
    'A reference to the key: ${env:NAME} or ${file:/path}, read again when it changes. Or ${client}: the key that the caller shows is passed on to this provider.',
  )

export const port = z.int().min(1).max(65535).describe('A TCP port')
const addressHint = 'must be an IP address such as 127.0.0.1, 0.0.0.0 or ::1'
export const address = z
  .string(addressHint)
  .refine((value) => isIP(value) !== 0, addressHint)
  .describe('An IP address to listen on: 127.0.0.1 for this machine only, 0.0.0.0 for all')
export const baseUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' })
  .meta({ pattern: '^https?://' })
  .describe('Where the API lives, with its path prefix: https://api.example.com/v1')

/** A condition or value in CEL. Compiled when the rules are loaded. */
export const expression = z
  .string({
    error: ({ code }) => (code === 'invalid_type' ? 'must be a CEL expression in quotes, such as "true"' : undefined),
  })
  .min(1)
  .max(4096)
  .describe('A CEL expression; see docs/policies.md for its variables')

/** Model names, where a `*` may stand at the end. */
export const modelPatterns = z
  .array(z.string().regex(/^[^*\s]{1,200}\*?$|^\*$/, 'must be a model name without blanks; a * may stand at its end'))
  .describe('Model names; a * may stand at the end of each')
