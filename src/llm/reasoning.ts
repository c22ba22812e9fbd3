import type { Reasoning } from './conversation.ts'

/**
 * Between the two ways APIs say how much a model should think: a word (OpenAI `effort`, Gemini 3 `thinkingLevel`)
 * and a number of tokens (Anthropic `budget_tokens`, Gemini 2.5 `thinkingBudget`).
 */

type Effort = NonNullable<Reasoning['effort']>

/** Smallest first; docs/translation.md shows this table. */
const steps: readonly (readonly [Effort, number])[] = [
  ['none', 0],
  ['minimal', 1024],
  ['low', 2048],
  ['medium', 8192],
  ['high', 16384],
  ['xhigh', 24576],
  ['max', 32768],
]

/** @returns the thinking tokens an effort stands for; 0 for `none`. */
export function effortToBudget(effort: Effort): number {
  return steps.find(([name]) => name === effort)![1]
}

/** @returns the smallest effort that allows this many tokens; `max` where none does. */
export function budgetToEffort(tokens: number): Effort {
  return steps.find(([, budget]) => tokens <= budget)?.[0] ?? 'max'
}
