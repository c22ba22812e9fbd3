import type { RulesInput } from './schema.ts'

type Providers = NonNullable<RulesInput['providers']>
type Models = NonNullable<RulesInput['models']>

/** A provider that a key in the environment switches on, and the families of models it is known for. */
interface Known {
  name: string
  /** @returns its rule, or undefined where the environment has not what it needs */
  rule(env: NodeJS.ProcessEnv): Providers[string] | undefined
  models: readonly string[]
}

/** In the order in which they are asked for names that no family fits. */
const known: readonly Known[] = [
  {
    name: 'openai',
    rule: (env) =>
      env.OPENAI_API_KEY
        ? {
            type: 'openai',
            apiKey: '${env:OPENAI_API_KEY}',
            ...(env.OPENAI_BASE_URL && { baseUrl: env.OPENAI_BASE_URL }),
          }
        : undefined,
    models: ['gpt-*', 'chatgpt-*', 'o1*', 'o3*', 'o4*', 'text-embedding-*'],
  },
  {
    name: 'anthropic',
    rule: (env) =>
      env.ANTHROPIC_API_KEY
        ? {
            type: 'anthropic',
            apiKey: '${env:ANTHROPIC_API_KEY}',
            ...(env.ANTHROPIC_BASE_URL && { baseUrl: env.ANTHROPIC_BASE_URL }),
          }
        : undefined,
    models: ['claude-*'],
  },
  {
    name: 'gemini',
    rule: (env) => {
      const key = ['GEMINI_API_KEY', 'GOOGLE_API_KEY'].find((variable) => env[variable])
      return key === undefined ? undefined : { type: 'gemini', apiKey: `\${env:${key}}` }
    },
    models: ['gemini-*'],
  },
  ...(
    [
      ['mistral', 'MISTRAL_API_KEY', 'https://api.mistral.ai/v1', ['mistral-*', 'codestral-*', 'ministral-*']],
      ['deepseek', 'DEEPSEEK_API_KEY', 'https://api.deepseek.com/v1', ['deepseek-*']],
      ['groq', 'GROQ_API_KEY', 'https://api.groq.com/openai/v1', ['llama-*']],
      ['openrouter', 'OPENROUTER_API_KEY', 'https://openrouter.ai/api/v1', []],
    ] as const
  ).map(
    ([name, variable, baseUrl, models]): Known => ({
      name,
      rule: (env) =>
        env[variable] ? { type: 'openai-compatible', baseUrl, apiKey: `\${env:${variable}}` } : undefined,
      models,
    }),
  ),
]

/**
 * The rules where there is no file: a provider for each key in the environment, known model families at their makers,
 * and every other name at the first of them. Without any key, the demo upstream answers to every name.
 * @param demoUrl base URL of the demo upstream's OpenAI API
 * @returns `demo`: whether the rules need it
 */
export function defaultRules(env: NodeJS.ProcessEnv, demoUrl?: string): { rules: RulesInput; demo: boolean } {
  const providers: Providers = {}
  const models: Models = {}
  for (const { name, rule, models: families } of known) {
    const made = rule(env)
    // One without families of its own can only be the one for every other name.
    if (!made || (families.length === 0 && Object.keys(providers).length > 0)) continue
    providers[name] = made
    for (const family of families) models[family] = { targets: [{ provider: name }] }
  }
  const [first] = Object.keys(providers)
  const demo = first === undefined
  if (demo) {
    providers.demo = { type: 'openai-compatible', baseUrl: demoUrl ?? 'http://127.0.0.1:4010/v1' }
    // The one name that lists of models can show; every other name is answered as well.
    models.demo = { targets: [{ provider: 'demo' }] }
  }
  models['*'] = { targets: [{ provider: first ?? 'demo' }] }
  return {
    rules: {
      listeners: { default: place(env, 'CHAPERONE') },
      telemetry: place(env, 'CHAPERONE_TELEMETRY'),
      providers,
      models,
    },
    demo,
  }
}

/** Where to listen: PREFIX_ADDRESS and PREFIX_PORT. */
function place(env: NodeJS.ProcessEnv, prefix: string): { address?: string; port?: number } {
  const [address, port] = [env[`${prefix}_ADDRESS`], env[`${prefix}_PORT`]]
  return { ...(address && { address }), ...(port && { port: Number(port) }) }
}
