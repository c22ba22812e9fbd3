import { z } from 'zod'
import { rulesSchema } from '../config/schema.ts'

/** `chaperone schema`: the JSON Schema (2020-12) of rules files, for editors. */
export function schema(): string {
  const json = z.toJSONSchema(rulesSchema, { io: 'input', target: 'draft-2020-12', reused: 'inline' })
  return `${JSON.stringify({ ...json, title: 'Chaperone rules' }, null, 2)}\n`
}
