/** What the id of a model on Bedrock tells of its abilities. */
export type BedrockModel =
  | {
      family: 'claude'
      /** `opus`, `sonnet`, `haiku`, `fable`, `mythos`, … */
      tier: string
      /** Hundreds and units: 3.7 is 307, 4 is 400. An id without a number counts as newer than all. */
      version: number
    }
  | { family: 'nova'; version: number }
  | { family: 'gpt-oss' | 'openai' | 'mistral' | 'cohere' | 'other' }
  /** An ARN that names something the account made: an application inference profile, a provisioned or custom model. */
  | { family: 'untold' }

const claude =
  /(?:^|[./])anthropic\.claude-(?:(\d)(?:-(\d{1,2})(?!\d))?-)?([a-z]+)(?:-(\d{1,2})(?!\d)(?:-(\d{1,2})(?!\d))?)?/
const nova = /(?:^|[./])amazon\.nova-(?:(\d+)-)?/
const vendors = /(?:^|[./])(openai\.gpt-oss|openai|mistral|cohere)[.-]/

/**
 * @param id a model's or an inference profile's id (`us.anthropic.claude-sonnet-4-5-20250929-v1:0`), or an ARN that
 *   ends in one
 */
export function bedrockModel(id: string): BedrockModel {
  const named = claude.exec(id)
  if (named) {
    const [, majorBefore, minorBefore, tier, majorAfter, minorAfter] = named
    const major = majorBefore ?? majorAfter
    const version =
      major === undefined ? Number.POSITIVE_INFINITY : Number(major) * 100 + Number(minorBefore ?? minorAfter ?? 0)
    return { family: 'claude', tier: tier!, version }
  }
  const amazon = nova.exec(id)
  if (amazon) return { family: 'nova', version: Number(amazon[1] ?? 1) }
  const vendor = vendors.exec(id)?.[1]
  if (vendor === 'openai.gpt-oss') return { family: 'gpt-oss' }
  if (vendor === 'openai' || vendor === 'mistral' || vendor === 'cohere') return { family: vendor }
  return { family: id.startsWith('arn:') && !/\/[a-z0-9-]+\.[a-z]/.test(id) ? 'untold' : 'other' }
}
