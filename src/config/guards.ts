import { z } from 'zod'
import { duration, expression, name, secret } from './primitives.ts'

/** What prompts and completions may hold. */

export const detectors = ['card', 'iban', 'email', 'phone', 'secret'] as const

const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' })
const remote = {
  timeout: duration.default('2s').describe('How long it may take'),
  onFailure: z.enum(['deny', 'allow']).default('deny').describe('What holds where it does not answer'),
}

export const guard = z
  .strictObject({
    when: expression.optional().describe('Which requests it looks at (CEL, a boolean); default: all'),
    on: z
      .array(z.enum(['request', 'response']))
      .min(1)
      .default(['request', 'response'])
      .describe('Prompts, completions, or both'),
    detect: z
      .array(
        z.union([
          z.enum(detectors),
          z.strictObject({
            regex: z.string().min(1).max(1000).describe('A regular expression without look-around and back-references'),
            label: z
              .string()
              .regex(/^[A-Z][A-Z0-9_]{0,30}$/, 'must be capitals, digits and underscores')
              .default('MATCH')
              .describe('What a masked match is called: [MATCH_1]'),
          }),
        ]),
      )
      .min(1)
      .optional()
      .describe('What is looked for. Exactly one of detect, webhook and moderation.'),
    webhook: z
      .strictObject({
        url: httpUrl.describe('Gets the text as JSON and answers what to do; see docs/guards.md'),
        secret: secret.optional().describe('Signs the body: HMAC-SHA-256 in x-chaperone-signature'),
        ...remote,
      })
      .optional()
      .describe('Asks a service of yours'),
    moderation: z
      .strictObject({
        baseUrl: httpUrl.default('https://api.openai.com/v1').describe('Where the API lives'),
        apiKey: secret,
        model: z.string().min(1).default('omni-moderation-latest').describe('The moderation model'),
        categories: z
          .record(z.string().min(1), z.number().min(0).max(1))
          .default({})
          .describe('Scores from which a category counts; none: whatever the API flags'),
        ...remote,
      })
      .optional()
      .describe('Asks OpenAI’s moderation API'),
    action: z
      .enum(['deny', 'mask', 'alert'])
      .describe('Refuse, replace what was found by a placeholder, or only report it'),
    restore: z
      .boolean()
      .default(false)
      .describe('With `mask` on requests: the answer has the originals again where it repeats placeholders'),
    message: z.string().min(1).max(500).optional().describe('What a refused caller is told'),
  })
  .meta({ title: 'Guard' })

export const guards = z.record(name, guard).describe('What prompts and completions may hold')

export type GuardRule = z.output<typeof guard>
export type DetectorName = (typeof detectors)[number]
