import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { render } from '../src/cli/render.ts'
import { validate } from '../src/cli/validate.ts'
import { findEnvoy } from '../src/envoy/binary.ts'
import { bootstrap } from '../src/envoy/bootstrap.ts'

const examples = readdirSync('examples').filter((file) => file.endsWith('.yaml'))
const directory = mkdtempSync(join(tmpdir(), 'chaperone-examples-'))
let envoy: string

beforeAll(async () => {
  envoy = await findEnvoy(process.env, () => undefined)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

test('there are examples, and the README of the rules leads to them', () => {
  expect(examples.length).toBeGreaterThan(5)
  expect(readFileSync('docs/rules.md', 'utf8')).toContain('](../examples)')
})

test.each(examples)('%s says its schema and what it shows, and is valid', async (file) => {
  const [first, second] = readFileSync(join('examples', file), 'utf8').split('\n')
  expect(first).toBe('# yaml-language-server: $schema=../chaperone.schema.json')
  expect(second).toMatch(/^# [A-Z].*\.$/)
  let written = ''
  expect(await validate([join('examples', file)], { output: 'text' }, (text) => (written += text))).toBe(0)
  expect(written).toBe(`${join('examples', file)}: ok\n`)
})

test.each(examples)('%s makes a configuration that Envoy takes', async (file) => {
  let written = ''
  const socket = join(directory, 'service.sock')
  expect(await render({ file: join('examples', file), socket }, (text) => (written += text))).toBe(0)
  const { cluster, listener, secret } = JSON.parse(written)
  const { static_resources, ...rest } = bootstrap({ nodeId: 'example', socket, adminSocket: `${socket}.admin` }) as {
    static_resources: { clusters: object[] }
  }
  // What ADS would bring, as far as it can stand in a file.
  const whole = {
    ...rest,
    static_resources: { clusters: [...static_resources.clusters, ...cluster], listeners: listener, secrets: secret },
  }
  const config = join(directory, `${file}.json`)
  writeFileSync(config, JSON.stringify(whole))
  execFileSync(envoy, ['--mode', 'validate', '--log-level', 'error', '-c', config], { stdio: 'pipe' })
})
