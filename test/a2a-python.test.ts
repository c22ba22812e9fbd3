import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAgent, type TestAgent } from './a2a/agent.ts'
import { type Receiver, startReceiver } from './a2a/receiver.ts'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { pythonWith } from './python.ts'

/** The SDK of PyPI through the gateway, that of A2A 1.0 and that of 0.3: as agents, and as clients of agents of both SDKs. */

let gateway: TestGateway
let agent: TestAgent
const running: ChildProcess[] = []
let receiver: Receiver
let python: string
let oldPython: string
let key: string

/** Starts an agent. @returns its place for the rules */
async function startPython(interpreter: string, script: string) {
  const [port, grpc] = [await freePort(), await freePort()]
  running.push(
    spawn(interpreter, [`test/a2a/${script}`, String(port), String(grpc)], { stdio: ['ignore', 'ignore', 'inherit'] }),
  )
  return { url: `http://127.0.0.1:${port}`, hosts: [`127.0.0.1:${grpc}`] }
}

beforeAll(async () => {
  python = pythonWith('a2a', ['a2a-sdk[http-server,grpc]==1.3.0', 'uvicorn==0.54.0'])
  oldPython = pythonWith('a2a-old', ['a2a-sdk[http-server,grpc]==0.3.26', 'uvicorn==0.54.0'])
  const places = { python: await startPython(python, 'agent.py'), old: await startPython(oldPython, 'old_agent.py') }
  agent = await startAgent()
  receiver = await startReceiver()
  gateway = await startGateway({
    listeners: { default: { address: '0.0.0.0', port: await freePort(), identity: { accept: ['key'] } } },
    a2a: {
      agents: {
        python: { ...places.python, offer: { grpcHost: '127.0.0.2' } },
        javascript: { url: agent.url, offer: { grpcHost: '127.0.0.3' } },
        old: { ...places.old, offer: { grpcHost: '127.0.0.4' } },
        // Those without hosts of their own are named as tenants.
        python2: places.python,
      },
      push: { schemes: ['http'], ports: [receiver.port], networks: ['127.0.0.1/32'] },
    },
  })
  key = (await gateway.keys.create({ name: 'caller' })).text
  await eventually(async () => {
    for (const { url } of Object.values(places)) {
      const card = await fetch(`${url}/.well-known/agent-card.json`)
      if (!card.ok) throw new Error('not there yet')
    }
  }, 60_000)
}, 300_000)
afterAll(async () => {
  await gateway?.stop()
  await agent?.close()
  for (const child of running) child.kill()
  await receiver?.close()
})

interface Line {
  task?: { status: { state: string } }
  statusUpdate?: { status: { state: string } }
  artifactUpdate?: { artifact: { parts: { text: string }[] } }
  /** Of 0.3. */
  kind?: string
  got?: { status: { state: string }; artifacts: { parts: { text: string }[] }[] }
}

/** What a client of PyPI prints. */
async function lines(interpreter: string, script: string, ...args: string[]): Promise<Line[]> {
  const { stdout } = await promisify(execFile)(interpreter, [`test/a2a/${script}`, ...args], { timeout: 50_000 })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

const talk = (name: string, binding: string, how: string) =>
  lines(python, 'client.py', `${gateway.url}/a2a/${name}`, binding, how, key, 'hello')

const answers = { python: 'you said hello', javascript: 'go north', old: 'you said hello', python2: 'you said hello' }

const textOf = ({ artifacts }: NonNullable<Line['got']>) =>
  artifacts.flatMap(({ parts }) => parts.map((part) => part.text)).join('')

test.each([
  ['python', 'JSONRPC', 'streaming'],
  ['python', 'HTTP+JSON', 'whole'],
  ['python', 'GRPC', 'streaming'],
  ['python2', 'GRPC', 'whole'],
  ['javascript', 'JSONRPC', 'whole'],
  ['javascript', 'HTTP+JSON', 'streaming'],
  ['javascript', 'GRPC', 'streaming'],
  ['old', 'JSONRPC', 'streaming'],
  ['old', 'GRPC', 'whole'],
] as const)('the client of PyPI and the agent in %s: %s, %s', async (name, binding, how) => {
  const said = await talk(name, binding, how)
  const { got } = said.at(-1)!
  expect(got!.status.state).toBe('TASK_STATE_COMPLETED')
  expect(textOf(got!)).toBe(answers[name])
  if (how === 'streaming') {
    expect(said.filter(({ artifactUpdate }) => artifactUpdate).length).toBeGreaterThan(1)
    expect(said.at(-2)!.statusUpdate!.status.state).toBe('TASK_STATE_COMPLETED')
  } else expect(said).toHaveLength(2)
})

test.each([
  ['python', 'GRPC'],
  ['javascript', 'GRPC'],
  ['old', 'GRPC'],
] as const)('the client of PyPI of 0.3 and the agent in %s: %s', async (name, binding) => {
  const said = await lines(oldPython, 'old_client.py', `${gateway.url}/a2a/${name}`, binding, key, 'hello')
  const { got } = said.at(-1)!
  expect(got!.status.state).toBe('completed')
  expect(textOf(got!)).toBe(answers[name])
  expect(said.filter(({ kind }) => kind === 'artifact-update').length).toBeGreaterThan(1)
})

test('agents are asked by what their clients speak, where they speak it', () => {
  const pairs = gateway.a2aRecords.map(
    ({ agent: name, binding, version, via }) => `${name} ${binding} ${version} ${via?.binding} ${via?.version}`,
  )
  expect(pairs).toContain('python grpc 1.0 grpc 1.0')
  expect(pairs).toContain('old grpc 1.0 grpc 0.3')
  expect(pairs).toContain('old grpc 0.3 grpc 0.3')
  expect(pairs).toContain('old jsonrpc 1.0 grpc 0.3')
  expect(pairs).toContain('javascript grpc 0.3 jsonrpc 0.3')
})

test('a client of either version and the agent in Python', async () => {
  for (const legacy of [false, true]) {
    const response = await fetch(`${gateway.url}/a2a/python`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-chaperone-key': key,
        ...(!legacy && { 'a2a-version': '1.0' }),
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: legacy ? 'message/send' : 'SendMessage',
        params: {
          message: legacy
            ? { kind: 'message', messageId: 'm', role: 'user', parts: [{ kind: 'text', text: 'hello' }] }
            : { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'hello' }] },
        },
      }),
    })
    const { result } = (await response.json()) as { result: { task?: Task } & Task }
    const task = result.task ?? result
    expect(task.status.state).toBe(legacy ? 'completed' : 'TASK_STATE_COMPLETED')
    expect(task.artifacts[0]!.parts.map(({ text }) => text).join('')).toBe('you said hello')
  }
})

test('a client of either version is notified by the agent in Python', async () => {
  for (const legacy of [false, true]) {
    receiver.got.length = 0
    const config = { url: `${receiver.url}/hook`, token: 'mine' }
    const text = { text: 'hello' }
    const response = await fetch(`${gateway.url}/a2a/python`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-chaperone-key': key,
        ...(!legacy && { 'a2a-version': '1.0' }),
      },
      body: JSON.stringify({
        ...{ jsonrpc: '2.0', id: 1, method: legacy ? 'message/send' : 'SendMessage' },
        params: legacy
          ? {
              message: { kind: 'message', messageId: 'm', role: 'user', parts: [{ kind: 'text', ...text }] },
              configuration: { pushNotificationConfig: config },
            }
          : {
              message: { messageId: 'm', role: 'ROLE_USER', parts: [text] },
              configuration: { taskPushNotificationConfig: config },
            },
      }),
    })
    const { result } = (await response.json()) as { result: { id: string; task?: { id: string } } }
    const { id } = result.task ?? result
    await eventually(() => expect(receiver.got.at(-1)?.text).toMatch(/completed/i))
    expect(receiver.got.every(({ headers }) => headers['x-a2a-notification-token'] === 'mine')).toBe(true)
    const { body } = receiver.got.at(-1)!
    if (legacy)
      expect(body).toMatchObject({
        ...{ kind: 'task', id, status: { state: 'completed' } },
        artifacts: [{ parts: [{ kind: 'text', text: 'you said hello' }] }],
      })
    else {
      expect(body).toMatchObject({ statusUpdate: { taskId: id, status: { state: 'TASK_STATE_COMPLETED' } } })
      const pieces = receiver.got.flatMap((each) => each.body.artifactUpdate?.artifact.parts ?? [])
      expect(pieces.map((part) => part.text).join('')).toBe('you said hello')
    }
  }
})

interface Task {
  status: { state: string }
  artifacts: { parts: { text: string }[] }[]
}
