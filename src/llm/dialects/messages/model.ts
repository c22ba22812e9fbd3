import { type BedrockModel, bedrockModel } from '../converse/model.ts'

/** A model of Anthropic's, as its name tells. */
export type Claude = BedrockModel & {
  family: 'claude'
  /** The name with Bedrock's prefix. */
  id: string
  /** The name is no Claude's, such as a deployment's of one's own: it counts as the newest. */
  untold: boolean
}

/**
 * @param name a model's name at Anthropic, on Vertex AI or in Foundry: `claude-sonnet-4-5-20250929`,
 *   `claude-sonnet-4-5@20250929`. Bedrock's ids hold Anthropic's names, so one reader knows both.
 */
export function claudeModel(name: string): Claude {
  const id = `anthropic.${name}`
  const model = bedrockModel(id)
  return model.family === 'claude' ? { ...model, id, untold: false } : { ...newest, untold: true }
}

const newest = {
  family: 'claude',
  tier: 'untold',
  version: Number.POSITIVE_INFINITY,
  id: 'anthropic.claude-untold',
} as const
