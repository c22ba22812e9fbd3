import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect'
import { DiagnosticsSchema, type RuleService } from '#gen/chaperone/v1/rules_pb.js'
import type { Diagnostic } from '../config/load.ts'
import { CorruptRevisionError, type Revision, type RevisionMeta } from '../store/revision.ts'
import { type RuleStore, StoreError, type Validate } from '../store/rule-store.ts'
import { type Audit, operatorKey } from './context.ts'

/** Revisions of the rules over the API; proto/chaperone/v1/rules.proto says what each method does. */
export function ruleService(store: RuleStore, validate: Validate, audit: Audit): ServiceImpl<typeof RuleService> {
  const find = async (number: number): Promise<Revision> => {
    const revision = await store.revision(number)
    if (!revision) throw new ConnectError(`There is no revision ${number}.`, Code.NotFound)
    return revision
  }
  const publish = async (
    action: string,
    files: readonly { name: string; text: string }[],
    parent: number,
    message: string,
    context: HandlerContext,
  ) => {
    const { name, role } = context.values.get(operatorKey)
    const told = (subject: number | string, outcome: string) =>
      audit({ time: Date.now(), operator: name, role, action, subject: String(subject), outcome })
    const outcome = await store.publish(
      files.map((file) => ({ name: file.name, text: file.text })),
      { author: name.slice(0, 200), message: message.slice(0, 2_000), parent },
    )
    switch (outcome.type) {
      case 'published':
        told(outcome.revision.number, 'done')
        return { revision: shown(outcome.revision), unchanged: false }
      case 'unchanged':
        told(outcome.head.number, 'unchanged')
        return { revision: shown(outcome.head), unchanged: true }
      case 'conflict':
        told(parent, 'conflict')
        throw new ConnectError(
          `Somebody else has published meanwhile: the head is revision ${outcome.head?.number ?? 0}. Look at it and publish again.`,
          Code.Aborted,
        )
      case 'invalid':
        told(parent, 'invalid')
        throw new ConnectError(
          `The rules are wrong: ${outcome.diagnostics.length} finding(s), the first: ${oneLine(outcome.diagnostics[0]!)}`,
          Code.InvalidArgument,
          undefined,
          [
            {
              desc: DiagnosticsSchema,
              value: create(DiagnosticsSchema, { diagnostics: outcome.diagnostics.map(finding) }),
            },
          ],
        )
    }
  }
  return {
    getHead: () =>
      answering(async () => {
        const head = await store.head()
        if (!head) throw new ConnectError('Nothing was published yet.', Code.NotFound)
        const revision = await find(head.number)
        return { revision: shown(revision), files: [...revision.files] }
      }),
    getRevision: ({ number }) =>
      answering(async () => {
        const revision = await find(Number(number))
        return { revision: shown(revision), files: [...revision.files] }
      }),
    listRevisions: ({ before, limit }) =>
      answering(async () => {
        const revisions = await store.history({
          ...(before > 0n && { before: Number(before) }),
          limit: limit > 0 ? Math.min(limit, 200) : 20,
        })
        return { revisions: revisions.map(shown) }
      }),
    publish: ({ files, parent, message }, context) =>
      answering(() => publish('publish', files, Number(parent), message, context)),
    rollback: ({ number, message }, context) =>
      answering(async () => {
        const { files } = await find(Number(number))
        const head = await store.head()
        return await publish('rollback', files, head?.number ?? 0, message || `rollback to ${number}`, context)
      }),
    validate: ({ files }) =>
      answering(async () => {
        if (files.length === 0) throw new ConnectError('There are no files.', Code.InvalidArgument)
        return { diagnostics: validate(files.map(({ name, text }) => ({ name, text }))).map(finding) }
      }),
  }
}

/** Errors of the store in the API's words. */
async function answering<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof StoreError)
      throw new ConnectError(error.message, error.cause === undefined ? Code.InvalidArgument : Code.Unavailable)
    if (error instanceof CorruptRevisionError) throw new ConnectError(error.message, Code.DataLoss)
    throw error
  }
}

const shown = ({ number, hash, author, message, parent, time }: RevisionMeta) => ({
  number: BigInt(number),
  hash,
  author,
  message,
  parent: BigInt(parent),
  time: timestampFromMs(time),
})

const finding = ({ file, line, column, path, message, suggestion = '' }: Diagnostic) => ({
  file,
  line,
  column,
  path,
  message,
  suggestion,
})

const oneLine = ({ file, line, column, path, message }: Diagnostic) => `${file}:${line}:${column} ${path} ${message}`
