import { expect, test } from 'vitest'
import { type BedrockModel, bedrockModel } from './model.ts'
import { models } from './testing.ts'

const claude = (tier: string, version: number): BedrockModel => ({ family: 'claude', tier, version })
const account = 'arn:aws:bedrock:us-east-1:123456789012'

test.each<[string, BedrockModel]>([
  [models.haiku3, claude('haiku', 300)],
  ['anthropic.claude-3-5-sonnet-20241022-v2:0', claude('sonnet', 305)],
  [models.sonnet37, claude('sonnet', 307)],
  ['apac.anthropic.claude-sonnet-4-20250514-v1:0', claude('sonnet', 400)],
  [models.opus41, claude('opus', 401)],
  [models.sonnet45, claude('sonnet', 405)],
  [models.opus46, claude('opus', 406)],
  [models.opus47, claude('opus', 407)],
  [models.opus5, claude('opus', 500)],
  [models.opus55, claude('opus', 505)],
  [models.sonnet55, claude('sonnet', 505)],
  [models.fable5, claude('fable', 500)],
  ['anthropic.claude-opus-10-12-v1:0', claude('opus', 1012)],
  ['anthropic.claude-mythos-preview', claude('mythos', Number.POSITIVE_INFINITY)],
  [`${account}:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0`, claude('sonnet', 405)],
  ['arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0', claude('haiku', 300)],
  [models.nova, { family: 'nova', version: 1 }],
  [models.nova2, { family: 'nova', version: 2 }],
  [models.gptOss, { family: 'gpt-oss' }],
  [models.gpt, { family: 'openai' }],
  ['mistral.mistral-large-2407-v1:0', { family: 'mistral' }],
  [models.cohere, { family: 'cohere' }],
  [models.llama, { family: 'other' }],
  ['arn:aws:bedrock:us-east-1::foundation-model/meta.llama3-3-70b-instruct-v1:0', { family: 'other' }],
  [models.profile, { family: 'untold' }],
  [`${account}:provisioned-model/a1b2c3`, { family: 'untold' }],
  ['my-anthropic.claude', { family: 'other' }],
  ['', { family: 'other' }],
])('%s', (id, model) => {
  expect(bedrockModel(id)).toEqual(model)
})
