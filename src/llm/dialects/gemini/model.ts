/** What a Gemini model's name tells of its abilities. */
export interface GeminiModel {
  /**
   * 2, 2.5, 3, 3.1, … A name without a number (`gemini-flash-latest`, a tuned model's endpoint) counts as newer than
   * all: aliases point at the newest generation.
   */
  generation: number
  tier: 'pro' | 'flash' | 'flash-lite' | undefined
}

const pattern = /(?:^|\/)gemini-(?:(\d+(?:\.\d+)?)-?)?(pro|flash-lite|flash)?/

/** @param name with or without `models/` or `publishers/google/models/` in front. */
export function geminiModel(name: string): GeminiModel {
  const match = pattern.exec(name)
  return {
    generation: match?.[1] === undefined ? Number.POSITIVE_INFINITY : Number(match[1]),
    tier: match?.[2] as GeminiModel['tier'],
  }
}

/**
 * Gemini 3 and later: thinking is set by level, function calls of the running turn must carry their thought
 * signatures, and function results may hold images and documents.
 */
export function isGemini3(name: string): boolean {
  return geminiModel(name).generation >= 3
}
