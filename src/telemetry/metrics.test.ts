import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Metrics, type UpstreamHealth } from './metrics.ts'
import { recordOf } from './testing.ts'

let metrics: Metrics
const upstreams: UpstreamHealth[] = [{ target: 'upstream/openai@1 fast', inFlight: 2, latencyMs: 250, out: true }]

beforeEach(() => {
  metrics = new Metrics(
    () => upstreams,
    async () => 2,
  )
})
afterEach(() => metrics.stop())

/** The value of one line; undefined where there is no such line. */
async function value(line: string): Promise<number | undefined> {
  const found = (await metrics.render()).split('\n').find((each) => each.startsWith(`${line} `))
  return found === undefined ? undefined : Number(found.slice(line.length + 1))
}
const labels = 'operation="chat",model="fast",provider="openai",team=""'

test('a request counts once, with its tokens, its cost and its attempts', async () => {
  metrics.record(recordOf())
  metrics.record(recordOf())
  expect(await value(`chaperone_requests_total{${labels},status="200",outcome="ok"}`)).toBe(2)
  expect(await value(`chaperone_tokens_total{${labels},type="input"}`)).toBe(2000)
  expect(await value(`chaperone_tokens_total{${labels},type="output"}`)).toBe(182)
  expect(await value(`chaperone_tokens_total{${labels},type="cached_input"}`)).toBe(1200)
  expect(await value(`chaperone_tokens_total{${labels},type="reasoning"}`)).toBe(80)
  expect(await value(`chaperone_cost_usd_total{${labels}}`)).toBe(0.5)
  expect(await value('chaperone_attempts_total{provider="azure",outcome="503"}')).toBe(2)
  expect(await value('chaperone_attempts_total{provider="openai",outcome="200"}')).toBe(2)
})

test('times are in seconds', async () => {
  metrics.record(recordOf())
  expect(await value(`gen_ai_server_request_duration_sum{${labels}}`)).toBe(1)
  expect(await value(`gen_ai_server_time_to_first_token_sum{${labels}}`)).toBe(0.1)
  expect(await value(`gen_ai_server_time_per_output_token_sum{${labels}}`)).toBeCloseTo(0.01)
  expect(await value(`gen_ai_client_token_usage_sum{${labels},gen_ai_token_type="output"}`)).toBe(91)
})

test.each([
  ['aborted', { aborted: true }, '200'],
  ['error', { status: 503, usage: undefined, cost: undefined }, '503'],
  ['error', { status: 200, errorCode: 'overloaded_error' }, '200'],
] as const)('an outcome is %s', async (outcome, more, status) => {
  metrics.record(recordOf(more))
  expect(await value(`chaperone_requests_total{${labels},status="${status}",outcome="${outcome}"}`)).toBe(1)
})

test('attempts that failed before are no part of the time per token', async () => {
  metrics.record(
    recordOf({
      durationMs: 31_000,
      firstByteMs: 100,
      usage: { input: 1, output: 91 },
      attempts: [
        { provider: 'azure', model: 'gpt', outcome: 'no_response', durationMs: 30_000 },
        { provider: 'openai', model: 'gpt-4o-mini', outcome: '200', durationMs: 1_000 },
      ],
    }),
  )
  expect(await value(`gen_ai_server_time_per_output_token_sum{${labels}}`)).toBeCloseTo(0.01, 10)
})

test('only streams that went well say something of the first token', async () => {
  metrics.record(recordOf({ stream: false }))
  metrics.record(recordOf({ status: 503, usage: undefined }))
  expect(await value(`gen_ai_server_time_to_first_token_count{${labels}}`)).toBeUndefined()
  expect(await value(`gen_ai_server_request_duration_count{${labels}}`)).toBe(2)
})

test('estimated tokens are in the sums, not in the distribution', async () => {
  metrics.record(recordOf({ aborted: true, usage: { input: 10, output: 5, estimated: true } }))
  expect(await value(`chaperone_tokens_total{${labels},type="output"}`)).toBe(5)
  expect(await value(`gen_ai_client_token_usage_count{${labels},gen_ai_token_type="output"}`)).toBeUndefined()
})

test('providers cannot make labels without end of the words for their errors', async () => {
  const attempt = (outcome: string) => ({ provider: 'openai', model: 'm', outcome, durationMs: 1 })
  for (let i = 0; i < 500; i++) metrics.record(recordOf({ attempts: [attempt(`200/word${i}`), attempt(`word${i}`)] }))
  metrics.record(recordOf({ attempts: [attempt('x'.repeat(10_000))] }))
  const text = await metrics.render()
  const outcomes = [...text.matchAll(/attempts_total\{[^}]*outcome="([^"]+)"/g)].map(([, outcome]) => outcome!)
  expect(outcomes).toHaveLength(102)
  expect(outcomes).toEqual(expect.arrayContaining(['200', 'other', '200/word0', 'word49']))
})

test('a target of which nothing is known has no latency', async () => {
  const target = 'upstream/new@1 fast'
  upstreams.push({ target, inFlight: 0, latencyMs: 0, out: false })
  expect(await value(`chaperone_upstream_in_flight{target="${target}"}`)).toBe(0)
  expect(await value(`chaperone_upstream_latency_seconds{target="${target}"}`)).toBeUndefined()
  upstreams.pop()
})

test('an aborted stream says nothing of the time per token', async () => {
  metrics.record(recordOf({ aborted: true }))
  expect(await value(`gen_ai_server_time_per_output_token_count{${labels}}`)).toBeUndefined()
})

test('behind a pattern, a model gets a label of its own once a provider has answered to it', async () => {
  metrics.record(recordOf({ model: 'gpt-*', targetModel: 'gpt-made-up', status: 404, usage: undefined }))
  metrics.record(recordOf({ model: 'gpt-*', targetModel: 'gpt-4o' }))
  const text = await metrics.render()
  expect(text).not.toContain('gpt-made-up')
  expect(text).toContain('model="gpt-*",provider="openai",team="",status="404"')
  expect(text).toContain('model="gpt-4o",provider="openai",team="",status="200"')
})

test('clients cannot make labels without end', async () => {
  for (let i = 0; i < 2000; i++) metrics.record(recordOf({ model: '*', targetModel: `model-${i}` }))
  const models = new Set(
    [...(await metrics.render()).matchAll(/requests_total\{[^}]*model="([^"]+)"/g)].map(([, m]) => m),
  )
  expect(models.size).toBe(501)
})

test('the state of the service', async () => {
  metrics.envoys(3)
  metrics.ruleChange('rejected')
  expect(await value('chaperone_envoys')).toBe(3)
  expect(await value('chaperone_rules_changes_total{outcome="rejected"}')).toBe(1)
  expect(await value('chaperone_rules_revision')).toBe(1)
  metrics.ruleChange('applied')
  expect(await value('chaperone_rules_revision')).toBe(2)
  expect(await value('chaperone_rules_applied_timestamp_seconds')).toBeCloseTo(Date.now() / 1000, -1)
  expect(await value('chaperone_upstream_in_flight{target="upstream/openai@1 fast"}')).toBe(2)
  expect(await value('chaperone_upstream_latency_seconds{target="upstream/openai@1 fast"}')).toBe(0.25)
  expect(await value('chaperone_upstream_out{target="upstream/openai@1 fast"}')).toBe(1)
  expect(await value('process_resident_memory_bytes')).toBeGreaterThan(1e6)
})

test('docs/observability.md has every metric, and no other', async () => {
  metrics.record(recordOf())
  metrics.ruleChange('applied')
  metrics.refusal({
    requestId: 'r',
    operation: 'chat',
    identity: 'none',
    listener: 'default',
    status: 401,
    code: 'invalid_key',
    rule: undefined,
  })
  metrics.mcp({
    requestId: 'r',
    status: 200,
    endpoint: 'default',
    method: 'tools/call',
    era: 'modern',
    caller: { identity: 'anonymous', subject: 'anonymous', listener: 'default' },
    startMs: 0,
    durationMs: 1,
  })
  metrics.a2a({
    requestId: 'r1',
    status: 200,
    agent: 'billing',
    operation: 'sendMessage',
    binding: 'jsonrpc',
    version: '1.0',
    caller: { identity: 'key', subject: 'k', listener: 'default' },
    from: 'planner',
    depth: 1,
    root: 'tree-1',
    taskId: 't',
    contextId: 'c',
    error: 'budgetExhausted',
    aborted: false,
    startMs: Date.now() - 20,
    durationMs: 20,
  })
  a2aStream('a', 'TASK_STATE_WORKING', 'TASK_STATE_COMPLETED')
  metrics.egress({
    ...{ requestId: 'r3', listener: 'out', host: 'elsewhere.test', port: 443, method: 'tunnel', action: 'deny' },
    ...{ rule: 'egress.default', known: undefined, code: 'denied', user: undefined, team: undefined },
  })
  metrics.pin({ server: 's', why: 'new', held: true })
  metrics.notification({ outcome: 'delivered', agent: 'planner', id: 'n', tries: 1 })
  metrics.envoyMissing(0)
  const rendered = [...(await metrics.render()).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name)
  const documented = [
    ...readFileSync('docs/observability.md', 'utf8').matchAll(/^\| `([a-z0-9_]+)` \| (?:counter|histogram|gauge) /gm),
  ].map(([, name]) => name)
  expect(documented.sort()).toEqual(rendered.sort())
})

/** A stream of an agent's answer, from its beginning to its end. */
function a2aStream(agent: string, ...states: string[]): void {
  const binding = 'grpc'
  let from: string | undefined
  for (const to of [...states, undefined]) {
    metrics.a2aStream({ agent, binding, from, to })
    from = to
  }
  metrics.a2a({
    requestId: 'r2',
    status: 200,
    agent,
    operation: 'streamMessage',
    binding,
    version: '1.0',
    caller: { identity: 'key', subject: 'k', listener: 'default' },
    depth: 0,
    state: states.at(-1),
    events: states.length,
    aborted: false,
    startMs: 0,
    durationMs: 20,
  })
}

test('streams of agents are counted by the state of their task, while they are open and when they have ended', async () => {
  a2aStream('planner', 'TASK_STATE_WORKING', 'TASK_STATE_COMPLETED')
  metrics.a2aStream({ agent: 'planner', binding: 'jsonrpc', from: undefined, to: '' })
  metrics.a2aStream({ agent: 'planner', binding: 'jsonrpc', from: '', to: 'TASK_STATE_WORKING' })
  const text = await metrics.render()
  const value = (start: string) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(start))
        ?.split(' ')
        .at(-1),
    )
  expect(
    value('chaperone_a2a_streams_total{agent="planner",binding="grpc",state="TASK_STATE_COMPLETED",end="complete"}'),
  ).toBe(1)
  expect(value('chaperone_a2a_events_total{agent="planner",binding="grpc"}')).toBe(2)
  expect(value('chaperone_a2a_open_streams{agent="planner",binding="grpc",state="TASK_STATE_WORKING"}')).toBe(0)
  expect(value('chaperone_a2a_open_streams{agent="planner",binding="grpc",state="TASK_STATE_COMPLETED"}')).toBe(0)
  expect(value('chaperone_a2a_open_streams{agent="planner",binding="jsonrpc",state=""}')).toBe(0)
  expect(value('chaperone_a2a_open_streams{agent="planner",binding="jsonrpc",state="TASK_STATE_WORKING"}')).toBe(1)
})
