import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startAgent, type TestAgent } from './a2a/agent.ts'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { pythonWith } from './python.ts'

/** The SDK of PyPI through the gateway: as an agent, and as a client of agents of both SDKs. */

let gateway: TestGateway
let agent: TestAgent
let running: ChildProcess
let python: string
let key: string

beforeAll(async () => {
  python = pythonWith('a2a', ['a2a-sdk[http-server]==1.3.0', 'uvicorn==0.54.0'])
  const port = await freePort()
  running = spawn(python, ['test/a2a/agent.py', String(port)], { stdio: ['ignore', 'ignore', 'inherit'] })
  agent = await startAgent()
  gateway = await startGateway({
    listeners: { default: { port: await freePort(), identity: { accept: ['key'] } } },
    a2a: {
      agents: {
        python: { url: `http://127.0.0.1:${port}` },
        javascript: { url: agent.url },
      },
    },
  })
  key = (await gateway.keys.create({ name: 'caller' })).text
  await eventually(async () => {
    const card = await fetch(`http://127.0.0.1:${port}/.well-known/agent-card.json`)
    if (!card.ok) throw new Error('not there yet')
  }, 30_000)
}, 300_000)
afterAll(async () => {
  await gateway?.stop()
  await agent?.close()
  running?.kill()
})

interface Line {
  task?: { status: { state: string } }
  statusUpdate?: { status: { state: string } }
  artifactUpdate?: { artifact: { parts: { text: string }[] } }
  got?: { status: { state: string }; artifacts: { parts: { text: string }[] }[] }
}

/** What the client of PyPI prints. */
async function talk(name: string, binding: string, how: string): Promise<Line[]> {
  const { stdout } = await promisify(execFile)(
    python,
    ['test/a2a/client.py', `${gateway.url}/a2a/${name}`, binding, how, key, 'hello'],
    { timeout: 50_000 },
  )
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

describe.each([
  ['python', 'you said hello'],
  ['javascript', 'go north'],
])('the client of PyPI and the agent in %s', (name, answer) => {
  test.each([
    ['JSONRPC', 'streaming'],
    ['JSONRPC', 'whole'],
    ['HTTP+JSON', 'streaming'],
    ['HTTP+JSON', 'whole'],
  ])('%s, %s', async (binding, how) => {
    const lines = await talk(name, binding, how)
    const { got } = lines.at(-1)!
    expect(got!.status.state).toBe('TASK_STATE_COMPLETED')
    const text = got!.artifacts.flatMap(({ parts }) => parts.map((part) => part.text)).join('')
    expect(text).toBe(answer)
    if (how === 'streaming') {
      expect(lines.filter(({ artifactUpdate }) => artifactUpdate).length).toBeGreaterThan(1)
      expect(lines.at(-2)!.statusUpdate!.status.state).toBe('TASK_STATE_COMPLETED')
    } else expect(lines).toHaveLength(2)
  })
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

interface Task {
  status: { state: string }
  artifacts: { parts: { text: string }[] }[]
}
