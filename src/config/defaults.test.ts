import { expect, test } from 'vitest'
import { defaultRules } from './defaults.ts'
import { loadRules } from './load.ts'

/** The rules of an environment as they come into force. */
function rulesOf(env: NodeJS.ProcessEnv, demoUrl?: string) {
  const { rules, demo } = defaultRules(env, demoUrl)
  const loaded = loadRules(JSON.stringify(rules), 'the environment')
  if ('diagnostics' in loaded) throw new Error(JSON.stringify(loaded.diagnostics))
  expect(loaded.warnings).toEqual([])
  return { rules: loaded.rules, demo }
}

const servedBy = (env: NodeJS.ProcessEnv) =>
  Object.fromEntries(
    Object.entries(rulesOf(env).rules.models).map(([name, { targets }]) => [name, targets[0]?.provider]),
  )

test('without any key the demo answers to every name', () => {
  const { rules, demo } = rulesOf({}, 'http://127.0.0.1:4711/v1')
  expect(demo).toBe(true)
  expect(rules.providers).toMatchObject({ demo: { type: 'openai-compatible', baseUrl: 'http://127.0.0.1:4711/v1' } })
  expect(servedBy({})).toEqual({ demo: 'demo', '*': 'demo' })
  expect(rules.listeners).toMatchObject({ default: { address: '127.0.0.1', port: 10000 } })
})

test('a key makes a provider, refers to it and never holds it', () => {
  const { rules, demo } = rulesOf({ ANTHROPIC_API_KEY: 'sk-ant-secret' })
  expect(demo).toBe(false)
  expect(rules.providers).toMatchObject({ anthropic: { type: 'anthropic', apiKey: '${env:ANTHROPIC_API_KEY}' } })
  expect(JSON.stringify(rules)).not.toContain('sk-ant-secret')
  expect(servedBy({ ANTHROPIC_API_KEY: 'x' })).toEqual({ 'claude-*': 'anthropic', '*': 'anthropic' })
})

test('families of models go to their makers, all others to the first', () => {
  const models = servedBy({ MISTRAL_API_KEY: 'm', OPENAI_API_KEY: 'o', GROQ_API_KEY: '' })
  expect(models).toMatchObject({ 'gpt-*': 'openai', 'o3*': 'openai', 'mistral-*': 'mistral', '*': 'openai' })
  expect(Object.values(models)).not.toContain('groq')
})

test('a provider that no name would reach is left out', () => {
  expect(Object.keys(rulesOf({ OPENAI_API_KEY: 'o', OPENROUTER_API_KEY: 'r' }).rules.providers)).toEqual(['openai'])
})

test.each([
  ['OPENAI_API_KEY', 'openai'],
  ['ANTHROPIC_API_KEY', 'anthropic'],
  ['GEMINI_API_KEY', 'gemini'],
  ['GOOGLE_API_KEY', 'gemini'],
  ['MISTRAL_API_KEY', 'mistral'],
  ['DEEPSEEK_API_KEY', 'deepseek'],
  ['GROQ_API_KEY', 'groq'],
  ['OPENROUTER_API_KEY', 'openrouter'],
])('%s alone makes %s', (variable, provider) => {
  const { rules } = rulesOf({ [variable]: 'k' })
  expect(rules.providers).toMatchObject({ [provider]: { apiKey: `\${env:${variable}}` } })
  expect(Object.keys(rules.providers)).toEqual([provider])
  expect(rules.models['*']?.targets).toMatchObject([{ provider }])
})

test('other addresses of OpenAI and Anthropic are taken from the environment', () => {
  const env = {
    OPENAI_API_KEY: 'k',
    OPENAI_BASE_URL: 'http://a/v1',
    ANTHROPIC_API_KEY: 'k',
    ANTHROPIC_BASE_URL: 'http://b',
  }
  expect(rulesOf(env).rules.providers).toMatchObject({
    openai: { baseUrl: 'http://a/v1' },
    anthropic: { baseUrl: 'http://b' },
  })
})

test('where to listen is taken from the environment', () => {
  const { rules } = rulesOf({
    CHAPERONE_ADDRESS: '0.0.0.0',
    CHAPERONE_PORT: '8080',
    CHAPERONE_TELEMETRY_ADDRESS: '::1',
    CHAPERONE_TELEMETRY_PORT: '9090',
  })
  expect(rules.listeners.default).toMatchObject({ address: '0.0.0.0', port: 8080 })
  expect(rules.telemetry).toMatchObject({ address: '::1', port: 9090 })
})
