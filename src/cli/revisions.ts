import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { createTwoFilesPatch } from 'diff'
import { parse } from 'yaml'
import { z } from 'zod'
import { RedisAuditLog } from '../audit/redis-audit-log.ts'
import type { Diagnostic } from '../config/diagnostic.ts'
import { formatDiagnostics } from '../config/format.ts'
import type { RuleFile } from '../config/load.ts'
import { ExpressionCompiler } from '../policy/expression.ts'
import { Policies } from '../policy/policies.ts'
import { type CaseResult, runTable, table } from '../policy/table.ts'
import { checkRuleFiles, validateRuleFiles } from '../rule-check.ts'
import { FileRuleStore } from '../store/file-rule-store.ts'
import { readRuleFiles, writeWhole } from '../store/files.ts'
import { RedisRuleStore } from '../store/redis-rule-store.ts'
import { CorruptRevisionError, type Revision, type RevisionMeta } from '../store/revision.ts'
import { type PublishOutcome, type RuleStore, StoreError } from '../store/rule-store.ts'
import { audited, operator } from './audit.ts'
import { Editing } from './edit.ts'
import { withRedis } from './redis.ts'
import { RulesError, reason } from './rules.ts'

/** `chaperone rules …`: revisions on the command line. Each returns the exit code: 0, or 1 with the reason on standard error. */

export interface RevisionOptions {
  /** URL of a Redis, or a file or directory of rules. */
  store: string
  tenant: string
  output: 'text' | 'json'
}

type Write = (text: string) => void
const print: Write = (text) => void process.stdout.write(text)
const complain: Write = (text) => void process.stderr.write(text)
const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

/** Publishes files as the new head; with `dryRun` only says what would change. */
export function apply(
  options: RevisionOptions & { file: string; message?: string; dryRun?: boolean },
  write = print,
): Promise<number> {
  return withStore(options, async (store) => {
    const files = filesAt(options.file)
    const head = await store.head()
    const before = head ? await published(store, head.number) : undefined
    if (options.dryRun) {
      const diagnostics = validateRuleFiles(files)
      if (diagnostics.length > 0) return unpublished({ type: 'invalid', diagnostics }, files, options, write, '')
      const difference = diffOf(before?.files ?? [], files)
      write(options.output === 'json' ? json({ head, diff: difference }) : difference || 'Nothing would change.\n')
      return 0
    }
    const by = { parent: head?.number ?? 0, message: options.message ?? '', action: 'publish' as const }
    return await publish(store, files, by, options, write)
  })
}

/** Shows what files, or the head, change against a revision. Its exit code is that of diff(1). */
export function diff(
  options: RevisionOptions & { file?: string; from?: number; to?: number },
  write = print,
): Promise<number> {
  const work = async (store: RuleStore) => {
    const head = await store.head()
    const to = options.to ?? head?.number
    const after =
      options.file !== undefined ? filesAt(options.file) : to === undefined ? [] : (await published(store, to)).files
    const from = options.from ?? (options.file !== undefined ? head?.number : (to ?? 1) - 1)
    const before = from === undefined || from < 1 ? [] : (await published(store, from)).files
    const difference = diffOf(before, after)
    write(options.output === 'json' ? json({ from, to, diff: difference }) : difference)
    return difference === '' ? 0 : 1
  }
  return withStore(options, work, 2)
}

/** Lists revisions, the newest first. */
export function log(options: RevisionOptions & { limit: number; before?: number }, write = print): Promise<number> {
  return withStore(options, async (store) => {
    const { limit, before } = options
    const revisions = await store.history({ limit, ...(before !== undefined && { before }) })
    write(
      options.output === 'json' ? json({ revisions }) : revisions.map(line).join('') || 'Nothing was published yet.\n',
    )
    return 0
  })
}

/** Prints a revision's files. */
export function show(number: number | undefined, options: RevisionOptions, write = print): Promise<number> {
  return withStore(options, async (store) => {
    const revision = await published(store, number ?? (await headNumber(store)))
    if (options.output === 'json') write(json(revision))
    else write(`${headOf(revision)}${revision.files.map(({ name, text }) => `\n# ${name}\n${text}`).join('')}`)
    return 0
  })
}

/** Publishes the content of an earlier revision again, as a new one. */
export function rollback(
  number: number | undefined,
  options: RevisionOptions & { message?: string },
  write = print,
): Promise<number> {
  return withStore(options, async (store) => {
    const head = await headNumber(store)
    const back = number ?? head - 1
    if (back < 1) throw new RulesError('There is no revision before this one.')
    const { files } = await published(store, back)
    const by = { parent: head, message: options.message ?? `rollback to ${back}`, action: 'rollback' as const }
    return await publish(store, files, by, options, write)
  })
}

/** Writes a revision's files into a directory, and says which other files of rules are there. */
export function pull(
  directory: string,
  options: RevisionOptions & { revision?: number },
  write = print,
): Promise<number> {
  return withStore(options, async (store) => {
    const { number, files } = await published(store, options.revision ?? (await headNumber(store)))
    const names = files.map(({ name }) => basename(name))
    for (const { name, text } of files) writeWhole(join(directory, basename(name)), text)
    const others = readRuleFiles(directory).flatMap(({ name }) => (names.includes(name) ? [] : [name]))
    write(
      options.output === 'json'
        ? json({ revision: number, files: names, others })
        : `Revision ${number}: ${names.join(', ')}\n`,
    )
    if (others.length > 0)
      complain(`Not of this revision, and part of what would be published from ${directory}: ${others.join(', ')}\n`)
    return 0
  })
}

/**
 * Opens the head in an editor and publishes what was made of it. Where that is wrong the editor is opened again, with the findings on
 * top, until it is right or nothing is changed any more; what cannot be published is kept.
 */
export function edit(options: RevisionOptions & { message?: string; editor?: string }, write = print): Promise<number> {
  return withStore(options, async (store) => {
    const head = await store.head()
    const files = head ? (await published(store, head.number)).files : [{ name: 'chaperone.yaml', text: '' }]
    const editing = new Editing(files, options.editor ?? process.env.EDITOR ?? 'vi')
    let wrong: Diagnostic[] | undefined
    for (;;) {
      const edited = editing.open()
      if (!edited) {
        if (!wrong) {
          editing.end()
          write(options.output === 'json' ? json({ type: 'unchanged', head }) : 'Nothing was changed.\n')
          return 0
        }
        editing.leave()
        return unpublished({ type: 'invalid', diagnostics: wrong }, files, options, write, editing.kept)
      }
      const by = { author: operator(), message: options.message ?? 'edit', parent: head?.number ?? 0 }
      const outcome = await store.publish(edited, by).catch((error: unknown) => {
        editing.leave()
        complain(`${editing.kept}\n`)
        throw error
      })
      if (outcome.type === 'invalid') {
        wrong = outcome.diagnostics
        editing.annotate(wrong)
        continue
      }
      if (outcome.type === 'conflict') {
        editing.leave()
        return await told(outcome, edited, 'publish', options, write, editing.kept)
      }
      editing.end()
      return await told(outcome, edited, 'publish', options, write)
    }
  })
}

/** Runs the table tests (`*.test.yaml`) that stand beside rules. */
export async function testRules(path: string, { output }: { output: 'text' | 'json' }, write = print): Promise<number> {
  try {
    const files = filesAt(path)
    const checked = checkRuleFiles(files)
    if ('diagnostics' in checked) throw new RulesError(formatDiagnostics(checked.diagnostics, files))
    const { policies, budgets } = checked.rules
    const compiled = new Policies(policies, new ExpressionCompiler(Object.keys(budgets)))
    const results = testFiles(path).map((file) => ({ file, results: runTable(casesIn(file), compiled) }))
    const all = results.flatMap((each) => each.results)
    const failed = all.filter(({ passed }) => !passed).length
    if (output === 'json') write(json({ files: results, passed: all.length - failed, failed }))
    else {
      for (const each of results) write(`${each.file}\n${each.results.map(caseText).join('')}`)
      write(`\n${all.length - failed} passed, ${failed} failed\n`)
    }
    if (all.length === 0) throw new RulesError(`There are no tests beside ${path}: files named *.test.yaml.`)
    return failed === 0 ? 0 : 1
  } catch (error) {
    return failure(error)
  }
}

function testFiles(path: string): string[] {
  const directory = readRuleFiles(path).length > 0 && !path.match(/\.ya?ml$/) ? path : join(path, '..')
  return readdirSync(directory)
    .filter((name) => /\.test\.ya?ml$/.test(name))
    .sort()
    .map((name) => join(directory, name))
}

function casesIn(file: string) {
  const parsed = table.safeParse(parse(readFileSync(file, 'utf8')))
  if (!parsed.success) throw new RulesError(`${file} holds no tests: ${z.prettifyError(parsed.error)}`)
  return parsed.data.tests
}

function caseText({ name, passed, verdict, steps, expected }: CaseResult): string {
  if (passed) return `  ok    ${name}\n`
  const got = verdict.policy === undefined ? verdict.effect : `${verdict.effect} by ${verdict.policy}`
  const applied = steps.filter(({ applies }) => applies).map(({ policy, effect }) => `${policy} (${effect})`)
  return `  FAIL  ${name}\n        expected ${expected}, got ${got}; policies that applied: ${applied.join(', ') || 'none'}\n`
}

async function publish(
  store: RuleStore,
  files: readonly RuleFile[],
  by: { parent: number; message: string; action: 'publish' | 'rollback' },
  options: RevisionOptions,
  write: Write,
): Promise<number> {
  const { parent, message, action } = by
  const outcome = await store.publish(files, { author: operator(), message, parent })
  return await told(outcome, files, action, options, write)
}

/** Says what came of publishing, and has it in the audit log. @returns the exit code */
async function told(
  outcome: PublishOutcome,
  files: readonly RuleFile[],
  action: 'publish' | 'rollback',
  options: RevisionOptions,
  write: Write,
  more = '',
): Promise<number> {
  if (outcome.type === 'invalid' || outcome.type === 'conflict')
    return unpublished(outcome, files, options, write, more)
  const { output } = options
  if (outcome.type === 'unchanged') {
    write(output === 'json' ? json(outcome) : `Nothing changes: this is revision ${outcome.head.number}.\n`)
    return 0
  }
  const { revision } = outcome
  await auditedIn(options, { action, subject: String(revision.number), outcome: 'done' })
  write(output === 'json' ? json(outcome) : `Published ${line(revision)}`)
  return 0
}

/** Says why nothing was published: for programs on standard output, for people on standard error. */
function unpublished(
  outcome: PublishOutcome & { type: 'invalid' | 'conflict' },
  files: readonly RuleFile[],
  { output }: RevisionOptions,
  write: Write,
  more: string,
): number {
  if (output === 'json') write(json(outcome))
  else if (outcome.type === 'invalid') complain(`${formatDiagnostics(outcome.diagnostics, files)}\n`)
  else
    complain(
      `Somebody else has published meanwhile: the head is ${outcome.head ? headOf(outcome.head).trim() : 'gone'}. Look at it (chaperone rules diff) and try again.\n`,
    )
  if (more !== '') complain(`${more}\n`)
  return 1
}

function filesAt(path: string): RuleFile[] {
  let files: RuleFile[]
  try {
    files = readRuleFiles(path)
  } catch (error) {
    throw new RulesError(`${path} cannot be read: ${(error as Error).message}`)
  }
  if (files.length === 0) throw new RulesError(`${path} holds no *.yaml.`)
  // A single file is the same rules whatever it is called.
  return statSync(path).isDirectory() ? files : [{ name: 'chaperone.yaml', text: files[0]!.text }]
}

async function headNumber(store: RuleStore): Promise<number> {
  const head = await store.head()
  if (!head) throw new RulesError('Nothing was published yet. Publish rules: chaperone rules apply -f FILE.')
  return head.number
}

async function published(store: RuleStore, number: number): Promise<Revision> {
  const revision = await store.revision(number)
  if (!revision) throw new RulesError(`There is no revision ${number}.`)
  return revision
}

function diffOf(before: readonly RuleFile[], after: readonly RuleFile[]): string {
  const names = [...new Set([...before, ...after].map(({ name }) => name))].sort()
  const textOf = (files: readonly RuleFile[], name: string) => files.find((file) => file.name === name)?.text
  return names
    .map((name) => {
      const [old, now] = [textOf(before, name), textOf(after, name)]
      if (old === now) return ''
      return createTwoFilesPatch(
        old === undefined ? '/dev/null' : name,
        now === undefined ? '/dev/null' : name,
        old ?? '',
        now ?? '',
        undefined,
        undefined,
        { context: 3 },
      ).replace(/^=+\n/, '')
    })
    .join('')
}

function headOf({ number, hash, author, message, time }: RevisionMeta): string {
  const when = new Date(time).toISOString().slice(0, 19).replace('T', ' ')
  return `revision ${number}  ${hash.slice(0, 10)}  ${when}  ${author || '-'}  ${message.split('\n')[0]}\n`
}

const line = headOf

/** @param failed the exit code where it cannot be done */
async function withStore(
  options: RevisionOptions,
  use: (store: RuleStore) => Promise<number>,
  failed = 1,
): Promise<number> {
  const work = async (store: RuleStore) => {
    try {
      return await use(store)
    } finally {
      await store.close()
    }
  }
  const { store: where, tenant } = options
  try {
    if (!/^[a-z+]+:\/\//i.test(where)) return await work(new FileRuleStore(where, validateRuleFiles))
    return await withRedis(where, (client) => work(new RedisRuleStore(client, tenant, validateRuleFiles)))
  } catch (error) {
    failure(error)
    return failed
  }
}

const isRedis = (store: string) => /^rediss?(\+[a-z]+)?:\/\//.test(store)

/** The history of a file says who changed it; in Redis the audit log is one for rules and keys. */
async function auditedIn({ store, tenant }: RevisionOptions, change: Parameters<typeof audited>[1]): Promise<void> {
  if (!isRedis(store)) return
  await withRedis(store, (client) => audited(new RedisAuditLog(client, tenant), change))
}

function failure(error: unknown): number {
  const known =
    error instanceof RulesError ||
    error instanceof StoreError ||
    error instanceof CorruptRevisionError ||
    error instanceof RangeError
  if (!known) throw error
  complain(`${reason(error)}\n`)
  return 1
}
