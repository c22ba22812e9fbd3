import { z } from 'zod'
import { expression, name } from './primitives.ts'

/** What is added to requests and which parameters they may have. */

const parameters = z.record(z.string().min(1), z.json())

const prompt = z
  .strictObject({
    when: expression.optional().describe('Which requests it is for (CEL, a boolean); default: all'),
    prepend: z.string().min(1).optional().describe('Goes before the client’s system prompt'),
    append: z.string().min(1).optional().describe('Goes after the client’s system prompt'),
    defaults: parameters.default({}).describe('Top-level parameters that are set where the client sent none'),
    overrides: parameters.default({}).describe('Top-level parameters that are set whatever the client sent'),
    allowParameters: z
      .array(z.string().min(1))
      .optional()
      .describe('The only optional top-level parameters a client may send; others are refused'),
  })
  .meta({ title: 'Prompt' })

export const prompts = z.record(name, prompt).describe('What is added to requests, in the order of the file')

export const aliases = z
  .record(z.string().min(1).max(200), z.string().min(1).max(200).describe('The model that is meant'))
  .describe('Other names of models: what a client asks for, and the model that is meant')

export type PromptRule = z.output<typeof prompt>
