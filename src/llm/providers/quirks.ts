import type { Quirks } from '../dialect.ts'

/** OpenAI's own chat API: nothing deviates. Providers that do not speak chat have these as well; none reads them. */
export const standardQuirks: Quirks = Object.freeze({
  maxTokensField: 'max_completion_tokens',
  developerRole: true,
  streamUsage: true,
  jsonSchema: true,
})
