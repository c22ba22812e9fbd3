import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { RuleFile } from '../config/load.ts'

/** What is known of a revision without its content. */
export interface RevisionMeta {
  /** 1, 2, 3, … */
  readonly number: number
  /** SHA-256 of the content, hexadecimal. */
  readonly hash: string
  readonly author: string
  readonly message: string
  /** The revision it was made from; 0: none. */
  readonly parent: number
  /** Unix milliseconds. */
  readonly time: number
}

/** A set of rules as it was published: immutable. */
export interface Revision extends RevisionMeta {
  /** The texts as people wrote them, comments included, by name in order. */
  readonly files: readonly RuleFile[]
}

const mostFiles = 200
const longest = 4 * 1024 * 1024

const meta = {
  number: z.int().min(1),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  author: z.string().max(200),
  message: z.string().max(2_000),
  parent: z.int().min(0),
  time: z.int().min(0),
}
const metaSchema = z.strictObject(meta)
const revisionSchema = z.strictObject({
  ...meta,
  files: z
    .array(z.strictObject({ name: z.string().min(1).max(200), text: z.string() }))
    .min(1)
    .max(mostFiles),
})

/** A revision cannot be used: it is not what it says, or is none at all. */
export class CorruptRevisionError extends Error {
  override readonly name = 'CorruptRevisionError'
}

/** The same for the same files, in whatever order. */
export function hashOf(files: readonly RuleFile[]): string {
  return createHash('sha256')
    .update(JSON.stringify(inOrder(files).map(({ name, text }) => [name, text])))
    .digest('hex')
}

/** Files by name, as revisions have them. */
export function inOrder(files: readonly RuleFile[]): RuleFile[] {
  return files.map(({ name, text }) => ({ name, text })).sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** @returns why these files cannot be a revision, or undefined */
export function unfit(files: readonly RuleFile[]): string | undefined {
  if (files.length === 0) return 'there are no files'
  if (files.length > mostFiles) return `there are more than ${mostFiles} files`
  if (new Set(files.map(({ name }) => name)).size < files.length) return 'two files have the same name'
  const length = files.reduce((sum, { text }) => sum + text.length, 0)
  return length > longest ? `the rules are longer than ${longest} characters` : undefined
}

/** @throws {CorruptRevisionError} where the text is no revision, or its content is not what its hash says */
export function parseRevision(text: string, what: string): Revision {
  const revision = parse(text, revisionSchema, what)
  if (hashOf(revision.files) !== revision.hash)
    throw new CorruptRevisionError(`${what} is damaged: its content is not what its hash says`)
  return revision
}

/** @throws {CorruptRevisionError} */
export function parseMeta(text: string, what: string): RevisionMeta {
  return parse(text, metaSchema, what)
}

export function metaOf({ number, hash, author, message, parent, time }: RevisionMeta): RevisionMeta {
  return { number, hash, author, message, parent, time }
}

function parse<T>(text: string, schema: z.ZodType<T>, what: string): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new CorruptRevisionError(`${what} is damaged: it is no JSON`, { cause })
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw new CorruptRevisionError(`${what} is damaged: it has not the form of a revision`)
  return parsed.data
}
