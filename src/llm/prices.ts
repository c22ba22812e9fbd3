import { calcPrice, findProvider } from '@pydantic/genai-prices'
import type { PriceRule, ProviderType } from '../config/schema.ts'
import type { Usage } from './conversation.ts'

/** What a request cost. */
export interface Cost {
  usd: number
  source: 'rules' | 'catalogue'
}

type Pricer = (usage: Usage) => number

/** The catalogue's names of our provider types; an openai-compatible server is found by its model's name. */
const catalogueIds: Record<ProviderType, string | undefined> = {
  openai: 'openai',
  'azure-openai': 'azure',
  anthropic: 'anthropic',
  gemini: 'google',
  vertex: 'google',
  bedrock: 'aws',
  'openai-compatible': undefined,
}

const remembered = 1_000
/** Prices change with dates, and some with the time of day. */
const rememberedMs = 600_000

/**
 * Prices: the rules' own, else the catalogue's (`@pydantic/genai-prices`). A model is looked up once; after that a
 * price costs a few multiplications.
 */
export class PriceBook {
  readonly #overrides: ReadonlyMap<string, PriceRule>
  readonly #pricers = new Map<string, { price: Pricer; source: Cost['source'] } | undefined>()
  #since = performance.now()

  /** @param overrides US dollars per million tokens, by `model` or `provider/model` */
  constructor(overrides: Readonly<Record<string, PriceRule>>) {
    this.#overrides = new Map(Object.entries(overrides))
  }

  /** @returns undefined where nobody knows a price: that is not the same as free */
  cost(provider: { name: string; type: ProviderType }, model: string, usage: Usage): Cost | undefined {
    const now = performance.now()
    if (this.#pricers.size >= remembered || now - this.#since > rememberedMs) {
      this.#pricers.clear()
      this.#since = now
    }
    const key = `${provider.name}/${model}`
    let entry = this.#pricers.get(key)
    if (!entry && !this.#pricers.has(key)) {
      entry = this.#find(key, provider.type, model)
      this.#pricers.set(key, entry)
    }
    if (!entry) return undefined
    const usd = entry.price(usage)
    return Number.isFinite(usd) ? { usd, source: entry.source } : undefined
  }

  #find(key: string, type: ProviderType, model: string): { price: Pricer; source: Cost['source'] } | undefined {
    const rule = this.#overrides.get(key) ?? this.#overrides.get(model)
    if (rule) return { price: (usage) => ruleCost(rule, usage), source: 'rules' }
    const id = catalogueIds[type]
    const catalogue = findProvider(id === undefined ? { modelId: model } : { providerId: id })
    const found = catalogue && calcPrice({ input_tokens: 1, output_tokens: 1 }, model, { provider: catalogue })
    if (!found) return undefined
    const price = (usage: Usage) =>
      calcPrice(catalogueUsage(usage), model, { provider: catalogue })?.total_price ?? Number.NaN
    // The catalogue is slow to ask, so it is asked once for what a token of each kind costs.
    return { price: banded(price, thresholds(found.model_price)), source: 'catalogue' }
  }
}

/** Where prices change with the length of the prompt, tokens, smallest first. */
function thresholds(prices: object): number[] {
  const starts = new Set<number>()
  for (const price of Object.values(prices) as unknown[]) {
    if (typeof price !== 'object' || price === null || !('tiers' in price) || !Array.isArray(price.tiers)) continue
    for (const tier of price.tiers as { start?: unknown }[]) if (typeof tier.start === 'number') starts.add(tier.start)
  }
  return [...starts].sort((a, b) => a - b)
}

/** A price that is a sum over tokens between one threshold and the next; at a threshold itself it is asked for. */
function banded(price: Pricer, starts: readonly number[]): Pricer {
  const bands = [0, ...starts].map((start, i) => {
    const end = starts[i] ?? start + 2_000_000
    return { end, price: linear(price, Math.floor((start + end) / 2)) }
  })
  return (usage) => {
    if (starts.includes(usage.input)) return price(usage)
    return (bands.find(({ end }) => usage.input < end) ?? bands.at(-1)!).price(usage)
  }
}

/** A price that is a sum over tokens, from the prices of each kind beside a prompt of `length` tokens. */
function linear(price: Pricer, length: number): Pricer {
  const million = 1_000_000
  const of = (usage: Partial<Usage>) => price({ input: length, output: 0, ...usage })
  const whole = of({})
  const input = whole / length
  const output = (of({ output: million }) - whole) / million
  const cached = of({ cachedInput: length }) / length
  const written = of({ cacheWriteInput: length }) / length
  const audioInput = of({ audioInput: length }) / length
  const audioOutput = (of({ output: million, audioOutput: million }) - whole) / million
  return (usage) => {
    const { cachedInput = 0, cacheWriteInput = 0, audioInput: heard = 0, audioOutput: spoken = 0 } = usage
    return (
      usage.input * input +
      usage.output * output +
      cachedInput * (cached - input) +
      cacheWriteInput * (written - input) +
      heard * (audioInput - input) +
      spoken * (audioOutput - output)
    )
  }
}

function ruleCost(rule: PriceRule, usage: Usage): number {
  const cached = Math.min(usage.cachedInput ?? 0, usage.input)
  const written = Math.min(usage.cacheWriteInput ?? 0, usage.input - cached)
  const millionth =
    (usage.input - cached - written) * rule.input +
    cached * (rule.cachedInput ?? rule.input) +
    written * (rule.cacheWriteInput ?? rule.input) +
    usage.output * rule.output
  return millionth / 1_000_000
}

/** The catalogue takes totals as well, and the kinds of tokens among them. */
function catalogueUsage(usage: Usage): Record<string, number> {
  return {
    input_tokens: usage.input,
    output_tokens: usage.output,
    ...(usage.cachedInput && { cache_read_tokens: usage.cachedInput }),
    ...(usage.cacheWriteInput && { cache_write_tokens: usage.cacheWriteInput }),
    ...(usage.audioInput && { input_audio_tokens: usage.audioInput }),
    ...(usage.audioOutput && { output_audio_tokens: usage.audioOutput }),
  }
}
