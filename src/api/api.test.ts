import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AuditService } from '#gen/chaperone/v1/audit_pb.js'
import { KeyService, Role } from '#gen/chaperone/v1/keys_pb.js'
import { DiagnosticsSchema, RuleService } from '#gen/chaperone/v1/rules_pb.js'
import { DecisionService, UsageService } from '#gen/chaperone/v1/usage_pb.js'
import type { Change } from '../audit/audit-log.ts'
import type { KeyRole } from '../identity/key-record.ts'
import { MemoryKeyStore } from '../identity/memory-key-store.ts'
import { MemoryRuleStore } from '../store/memory-rule-store.ts'
import { rulesNamed, validate } from '../store/testing.ts'
import { recordOf } from '../telemetry/testing.ts'
import { MemoryBooks } from '../usage/memory-books.ts'
import { batchOf } from '../usage/testing.ts'
import { startApi } from './server.ts'

const root = 'root-token-of-the-test'
let api: Awaited<ReturnType<typeof startApi>>
let keys: MemoryKeyStore
let rules: MemoryRuleStore
let audits: Change[]
let reports: unknown[]

beforeEach(async () => {
  keys = new MemoryKeyStore()
  rules = new MemoryRuleStore(validate)
  audits = []
  reports = []
  const books = new MemoryBooks()
  const work = { tree: 't1', subject: 'ann', chain: ['key:k1'], id: 'd1', agent: 'planner', budgets: [] }
  const caller = { identity: 'key', subject: 'k2', listener: 'l', work }
  await books.write(batchOf([recordOf({ requestId: 'r1', caller })]))
  api = await startApi({
    address: '127.0.0.1',
    port: 0,
    keys,
    rules,
    validate,
    books,
    rootToken: root,
    explainer: {
      request: ({ model, owner, spent, parameters }) => [
        { rule: 'models', says: JSON.stringify({ model, owner, spent, parameters }), refuses: true },
      ],
      decision: async ({ status }) => [{ rule: 'outcome', says: String(status) }],
    },
    auditLog: {
      add: async (change) => void audits.push(change),
      list: async ({ limit, action }) =>
        audits.filter((change) => action === undefined || change.action === action).slice(-limit),
    },
    audit: (change) => audits.push(change),
    report: (error) => reports.push(error),
  })
})
afterEach(() => api.stop())

const transportFor = (token: string | undefined) =>
  createConnectTransport({
    baseUrl: api.url,
    httpVersion: '1.1',
    interceptors: [
      (next) => (request) => {
        if (token !== undefined) request.header.set('authorization', `Bearer ${token}`)
        return next(request)
      },
    ],
  })
const ruleClient = (token: string | undefined = root) => createClient(RuleService, transportFor(token))
const keyClient = (token: string | undefined = root) => createClient(KeyService, transportFor(token))
const keyWith = async (role?: KeyRole) =>
  (await keys.create({ name: `a ${role ?? 'plain one'}`, ...(role && { role }) })).text

async function refusal(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call
  } catch (error) {
    return ConnectError.from(error)
  }
  throw new Error('it was not refused')
}

describe('rules', () => {
  test('are published, listed, shown and rolled back', async () => {
    const client = ruleClient()
    expect((await refusal(client.getHead({}))).code).toBe(Code.NotFound)
    const first = await client.publish({ files: rulesNamed('one'), parent: 0n, message: 'first' })
    expect(first.revision).toMatchObject({ number: 1n, author: 'root', message: 'first' })
    await client.publish({ files: rulesNamed('two'), parent: 1n })
    expect((await client.publish({ files: rulesNamed('two'), parent: 2n })).unchanged).toBe(true)
    const back = await client.rollback({ number: 1n })
    expect(back.revision).toMatchObject({ number: 3n, message: 'rollback to 1' })
    expect((await client.getHead({})).files).toMatchObject(rulesNamed('one'))
    expect((await client.getRevision({ number: 2n })).files).toMatchObject(rulesNamed('two'))
    expect((await client.listRevisions({ limit: 2 })).revisions.map(({ number }) => number)).toEqual([3n, 2n])
    expect((await client.listRevisions({ before: 3n })).revisions).toHaveLength(2)
    expect(audits.map(({ action, subject, outcome, operator }) => [action, subject, outcome, operator])).toEqual([
      ['publish', '1', 'done', 'root'],
      ['publish', '2', 'done', 'root'],
      ['publish', '2', 'unchanged', 'root'],
      ['rollback', '3', 'done', 'root'],
    ])
  })

  test('that are wrong are refused with every finding, and a conflict with the head', async () => {
    const client = ruleClient()
    const wrong = await refusal(client.publish({ files: rulesNamed('wrong'), parent: 0n }))
    expect(wrong.code).toBe(Code.InvalidArgument)
    expect(wrong.findDetails(DiagnosticsSchema)[0]?.diagnostics).toMatchObject([{ file: 'rules.yaml', line: 1 }])
    expect((await client.validate({ files: rulesNamed('wrong') })).diagnostics).toHaveLength(1)
    expect((await client.validate({ files: rulesNamed('right') })).diagnostics).toEqual([])
    await client.publish({ files: rulesNamed('one'), parent: 0n })
    const late = await refusal(client.publish({ files: rulesNamed('two'), parent: 0n }))
    expect(late.code).toBe(Code.Aborted)
    expect(late.rawMessage).toContain('the head is revision 1')
    expect(audits.map(({ outcome }) => outcome)).toEqual(['invalid', 'done', 'conflict'])
    expect((await refusal(client.publish({ files: [], parent: 1n }))).code).toBe(Code.InvalidArgument)
    expect((await refusal(client.rollback({ number: 9n }))).code).toBe(Code.NotFound)
  })
})

describe('keys', () => {
  test('are made, shown without their secret, rotated and revoked', async () => {
    const client = keyClient()
    const made = await client.createKey({ name: 'ci', team: 'research', models: ['gpt-*'], role: Role.VIEWER })
    expect(made.text).toMatch(/^chp_/)
    expect(keys.directory().verify(made.text, Date.now())).toMatchObject({ team: 'research', createdBy: 'root' })
    const { id } = made.key!
    expect((await client.getKey({ id })).key).toMatchObject({ name: 'ci', role: Role.VIEWER, models: ['gpt-*'] })
    expect((await client.listKeys({ team: 'research' })).keys).toHaveLength(1)
    expect((await client.listKeys({ team: 'nobody’s' })).keys).toEqual([])
    const rotated = await client.rotateKey({ id, grace: { seconds: 60n, nanos: 0 } })
    expect(rotated.text).not.toBe(made.text)
    await client.revokeKey({ id })
    expect(keys.directory().verify(rotated.text, Date.now())).toBe('revoked')
    expect((await refusal(client.rotateKey({ id }))).code).toBe(Code.FailedPrecondition)
    expect((await refusal(client.getKey({ id: 'none' }))).code).toBe(Code.NotFound)
    expect((await refusal(client.createKey({ name: '' }))).code).toBe(Code.InvalidArgument)
    expect((await refusal(client.listKeys({ state: 'x' }))).code).toBe(Code.InvalidArgument)
    const told = JSON.stringify(audits)
    expect(told).not.toContain(made.text)
    const audit = createClient(AuditService, transportFor(root))
    const { changes } = await audit.listChanges({ action: 'revoke_key' })
    expect(changes).toMatchObject([{ operator: 'root', role: 'admin', subject: id, outcome: 'done' }])
    expect((await audit.listChanges({ limit: 2 })).changes).toHaveLength(2)
    expect(audits.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      'create_key done',
      'rotate_key done',
      'revoke_key done',
      'rotate_key revoked',
      'create_key invalid',
    ])
  })
})

describe('who may do what', () => {
  const read = {
    GetHead: (token?: string) => ruleClient(token).getHead({}),
    GetRevision: (token?: string) => ruleClient(token).getRevision({ number: 1n }),
    ListRevisions: (token?: string) => ruleClient(token).listRevisions({}),
    GetKey: (token?: string) => keyClient(token).getKey({ id: 'x' }),
    ListKeys: (token?: string) => keyClient(token).listKeys({}),
    QueryUsage: (token?: string) =>
      createClient(UsageService, transportFor(token)).queryUsage({ from: '2026-01-01', to: '2026-01-03' }),
    GetTrace: (token?: string) => createClient(UsageService, transportFor(token)).getTrace({ id: 't1' }),
    GetDecision: (token?: string) =>
      createClient(DecisionService, transportFor(token)).getDecision({ requestId: 'r1' }),
    ListDecisions: (token?: string) => createClient(DecisionService, transportFor(token)).listDecisions({}),
    Explain: (token?: string) => createClient(DecisionService, transportFor(token)).explain({}),
    ListChanges: (token?: string) => createClient(AuditService, transportFor(token)).listChanges({}),
  }
  const edit = {
    Validate: (token?: string) => ruleClient(token).validate({ files: rulesNamed('x') }),
    Publish: (token?: string) => ruleClient(token).publish({ files: rulesNamed('x'), parent: 0n }),
    Rollback: (token?: string) => ruleClient(token).rollback({ number: 1n }),
  }
  const administer = {
    CreateKey: (token?: string) => keyClient(token).createKey({ name: 'x' }),
    RevokeKey: (token?: string) => keyClient(token).revokeKey({ id: 'x' }),
    RotateKey: (token?: string) => keyClient(token).rotateKey({ id: 'x' }),
  }
  const methods = Object.entries({ ...read, ...edit, ...administer })
  const mayBy: Record<string, string[]> = {
    viewer: Object.keys(read),
    editor: [...Object.keys(read), ...Object.keys(edit)],
    admin: methods.map(([name]) => name),
  }
  const outcome = (call: Promise<unknown>) =>
    call.then(
      () => Code.Unknown,
      (error) => ConnectError.from(error).code,
    )

  test.each(['viewer', 'editor', 'admin'] as const)('%s', async (role) => {
    const token = await keyWith(role)
    for (const [name, call] of methods) {
      const denied = (await outcome(call(token))) === Code.PermissionDenied
      expect([name, denied]).toEqual([name, !mayBy[role]!.includes(name)])
    }
  })

  test('nobody without a key, with a wrong one, with a revoked one, or with one that has no role', async () => {
    const revoked = await keys.create({ name: 'r', role: 'admin' })
    await keys.revoke(revoked.record.id)
    for (const token of ['', 'wrong', revoked.text, await keyWith()])
      for (const call of [read.GetHead, edit.Publish, administer.CreateKey]) {
        const error = await refusal(call(token))
        expect(error.code).toBe(Code.Unauthenticated)
        expect(error.rawMessage).toMatch(/Ask an admin|Show a key/)
      }
    expect(audits).toEqual([])
  })

  test('an admin’s key makes no role above its own, and guessing has an end', async () => {
    expect((await refusal(keyClient(await keyWith('editor')).createKey({ name: 'x', role: Role.ADMIN }))).code).toBe(
      Code.PermissionDenied,
    )
    for (let i = 0; i < 25; i++) await refusal(read.GetHead(`guess-${i}`))
    expect((await refusal(read.GetHead('guess'))).code).toBe(Code.ResourceExhausted)
    expect((await refusal(read.GetHead(root))).code).toBe(Code.ResourceExhausted)
  })
})

describe('the wire', () => {
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${api.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${root}`, ...headers },
      body,
    })

  test('JSON by hand, as with curl', async () => {
    const response = await post(
      '/chaperone.v1.RuleService/Publish',
      JSON.stringify({ files: rulesNamed('one'), message: 'by hand' }),
    )
    expect(response.status).toBe(200)
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await response.json()).toMatchObject({ revision: { number: '1', author: 'root', message: 'by hand' } })
    const usage = await post(
      '/chaperone.v1.UsageService/QueryUsage',
      JSON.stringify({ from: '2026-01-01', to: '2026-01-03', by: ['day', 'provider'] }),
    )
    expect(await usage.json()).toMatchObject({
      rows: [{ group: ['2026-01-02', 'openai'], requests: '1', inputTokens: '1000', usd: 0.25 }],
    })
    const trace = await post('/chaperone.v1.UsageService/GetTrace', '{"id":"r1"}')
    expect(await trace.json()).toMatchObject({
      trees: [
        {
          id: 't1',
          subject: 'ann',
          roots: [
            {
              ...{ kind: 'agent', to: 'planner', underWay: true },
              children: [{ kind: 'model', from: 'planner', to: 'fast', own: { inputTokens: '1000', usd: 0.25 } }],
            },
          ],
          total: { modelCalls: '1', usd: 0.25 },
        },
      ],
    })
    const unknown = await post('/chaperone.v1.UsageService/GetTrace', '{"id":"nothing"}')
    expect([unknown.status, await unknown.json()]).toMatchObject([404, { code: 'not_found' }])
    const decision = await post('/chaperone.v1.DecisionService/GetDecision', '{"requestId":"r1"}')
    expect(await decision.json()).toMatchObject({
      decision: { status: 200, attempts: expect.any(Array) },
      steps: [{ rule: 'outcome', says: '200' }],
    })
    const { record } = await keys.create({ name: 'k', user: 'ann', models: ['m'] })
    const explained = await post(
      '/chaperone.v1.DecisionService/Explain',
      JSON.stringify({ model: 'm', key: record.id, spent: { b: 0.5 }, parameters: { temperature: 1 } }),
    )
    const says = {
      model: 'm',
      owner: { user: 'ann', models: ['m'] },
      spent: { b: 0.5 },
      parameters: { temperature: 1 },
    }
    expect(await explained.json()).toEqual({
      steps: [{ rule: 'models', says: JSON.stringify(says), refuses: true }],
    })
  })

  test('gRPC-Web as well', async () => {
    const client = createClient(
      RuleService,
      createGrpcWebTransport({
        baseUrl: api.url,
        httpVersion: '1.1',
        interceptors: [
          (next) => (request) => {
            request.header.set('authorization', `Bearer ${root}`)
            return next(request)
          },
        ],
      }),
    )
    expect((await client.listRevisions({})).revisions).toEqual([])
  })

  test.each([
    ['a body that is no JSON', '/chaperone.v1.RuleService/GetHead', '{', 400],
    ['an unknown field', '/chaperone.v1.RuleService/GetHead', '{"x":1}', [200, 400, 404]],
    [
      'a body that is too large',
      '/chaperone.v1.RuleService/Validate',
      `{"files":[{"name":"a","text":"${'x'.repeat(9_000_000)}"}]}`,
      429,
    ],
    ['an unknown method', '/chaperone.v1.RuleService/Nothing', '{}', 404],
    ['an unknown service', '/elsewhere', '{}', 404],
    ['a key that is not there', '/chaperone.v1.DecisionService/Explain', '{"key":"none"}', 404],
    ['a kind that is none', '/chaperone.v1.DecisionService/Explain', '{"kind":"king"}', 400],
    ['days that are none', '/chaperone.v1.UsageService/QueryUsage', '{"from":"x","to":"y"}', 400],
    [
      'a dimension that is none',
      '/chaperone.v1.UsageService/QueryUsage',
      '{"from":"2026-01-01","to":"2026-01-01","by":["x"]}',
      400,
    ],
  ])('%s', async (_, path, body, status) => {
    const response = await post(path, body)
    expect([status].flat()).toContain(response.status)
    expect(await response.text()).not.toMatch(/at .*\.ts:/)
  })

  test('what fails inside is told to the operator and not to the caller', async () => {
    rules.head = () => Promise.reject(new Error('with a secret detail'))
    const response = await post('/chaperone.v1.RuleService/GetHead', '{}')
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('secret detail')
    expect(String(reports[0])).toContain('secret detail')
  })
})
