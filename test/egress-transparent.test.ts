import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findEnvoy } from '../src/envoy/binary.ts'

/**
 * Connections that the kernel sends to the gateway (iptables REDIRECT), in namespaces of the test's own. It needs root, unshare,
 * setpriv and iptables; elsewhere it is skipped.
 */

const has = (command: string, ...args: string[]) => spawnSync(command, args).status === 0
const possible =
  process.getuid?.() === 0 &&
  has('unshare', '--net', '--mount', 'iptables', '-t', 'nat', '-L') &&
  has('setpriv', '--version')
const directory = mkdtempSync(join(tmpdir(), 'chaperone-transparent-'))

interface Seen {
  code: number
  text: string
}

let result: Record<
  'model' | 'elsewhere' | 'falseName' | 'denied' | 'plain' | 'plainDenied' | 'database' | 'other' | 'removed',
  Seen
> & {
  rulesLeft: boolean
  log: string
}

describe.skipIf(!possible)('an agent whose connections the kernel sends to the gateway', () => {
  beforeAll(async () => {
    const env = { ...process.env, ENVOY_PATH: await findEnvoy(process.env, () => undefined) }
    const args = ['--net', '--mount', process.execPath, 'test/egress/namespace.mjs', directory, 'test/tls']
    // The gateway's processes go with the namespace's first one.
    const { stdout } = await promisify(execFile)('unshare', ['--pid', '--fork', '--kill-child', ...args], {
      env,
      timeout: 100_000,
    })
    result = JSON.parse(stdout)
  }, 120_000)

  test('a call of a model is answered by the rules’ provider', () => {
    expect(result.model.text).toContain('"caught"')
    expect(result.log).toMatch(/"operation":"chat".*"status":200/)
  })

  test('what a rule allows goes where its name leads, whatever address was asked', () => {
    expect(result.elsewhere).toEqual({ code: 0, text: 'from elsewhere' })
    expect(result.falseName).toEqual({ code: 0, text: 'from elsewhere' })
    expect(result.plain).toEqual({ code: 0, text: 'from plain' })
  })

  test('what no rule allows does not', () => {
    expect(result.denied.code).not.toBe(0)
    expect(JSON.parse(result.plainDenied.text)).toMatchObject({
      error: { code: 'egress_denied', rule: 'egress.default' },
    })
    expect(result.log).toMatch(/"host":"denied.test","port":443.*"msg":"egress refused"/)
  })

  test('what is neither TLS nor HTTP goes by its address', () => {
    expect(result.database.text).toBe('a server that speaks first')
    expect(result.other.text).toBe('')
    expect(result.log).toMatch(/"host":"10.9.9.9","port":5432.*"rule":"egress.rules.database"/)
  })

  test('the script takes everything back', () => {
    expect(result.removed.text).toBe('not for agents')
    expect(result.rulesLeft).toBe(false)
  })
})

test('docs/egress.md says what the script takes', () => {
  const script = readFileSync('envoy/iptables.sh', 'utf8')
  const page = readFileSync('docs/egress.md', 'utf8')
  for (const variable of ['GATEWAY_UID', 'PORT']) {
    expect(script).toContain(`${variable}=\${${variable}:-`)
    expect(page).toContain(`${variable}=`)
  }
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))
