import type { ProviderRule } from '../../config/schema.ts'
import { anthropic } from './anthropic.ts'
import { azureOpenai } from './azure-openai.ts'
import { bedrock } from './bedrock.ts'
import { gemini } from './gemini.ts'
import { openai } from './openai.ts'
import { openaiCompatible } from './openai-compatible.ts'
import type { Provider, Secrets } from './provider.ts'
import { vertex } from './vertex.ts'

/**
 * Makes a provider from its rule. No secret is read yet.
 * @param name the provider's name in the rules
 * @throws {RangeError} where the rule cannot be carried out; the message begins with the field's path
 */
export function createProvider(name: string, rule: ProviderRule, secrets: Secrets): Provider {
  switch (rule.type) {
    case 'openai':
      return openai(name, rule, secrets)
    case 'azure-openai':
      return azureOpenai(name, rule, secrets)
    case 'anthropic':
      return anthropic(name, rule, secrets)
    case 'gemini':
      return gemini(name, rule, secrets)
    case 'vertex':
      return vertex(name, rule, secrets)
    case 'bedrock':
      return bedrock(name, rule, secrets)
    case 'openai-compatible':
      return openaiCompatible(name, rule, secrets)
  }
}
