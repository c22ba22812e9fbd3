import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { awsCredentials } from './aws-credentials.ts'
import { CredentialError } from './provider.ts'
import { env, ruleOf, secretsOf } from './testing.ts'

const make = (more: Record<string, unknown>, table: Record<string, string> = {}) =>
  awsCredentials('b', ruleOf({ type: 'bedrock', region: 'us-east-1', ...more }), secretsOf(table))

test('the rule’s own references are read at each request', () => {
  const table = { [env('ID')]: 'id-1', [env('SECRET')]: 'secret-1' }
  const source = make({ accessKeyId: env('ID'), secretAccessKey: env('SECRET') }, table)
  expect(source()).toEqual({ accessKeyId: 'id-1', secretAccessKey: 'secret-1' })
  table[env('ID')] = 'id-2'
  expect(source()).toMatchObject({ accessKeyId: 'id-2' })
})

describe('AWS’s own chain', () => {
  let folder: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'aws-'))
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE'])
      vi.stubEnv(name, undefined)
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(folder, 'credentials'))
    vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'))
  })

  afterEach(async () => {
    vi.unstubAllEnvs()
    vi.useRealTimers()
    await rm(folder, { recursive: true })
  })

  const write = (id: string) =>
    writeFile(join(folder, 'credentials'), `[team]\naws_access_key_id = ${id}\naws_secret_access_key = secret\n`)

  test('a profile, kept, and read again after five minutes', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    await write('first')
    const source = make({ profile: 'team' })
    expect(await source()).toEqual({ accessKeyId: 'first', secretAccessKey: 'secret' })
    await write('second')
    expect(source()).toMatchObject({ accessKeyId: 'first' })
    vi.setSystemTime(Date.now() + 300_001)
    expect(source()).toMatchObject({ accessKeyId: 'first' })
    await vi.waitFor(() => expect(source()).toMatchObject({ accessKeyId: 'second' }))
  })

  test('the environment', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'from-env')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
    vi.stubEnv('AWS_SESSION_TOKEN', 'token')
    expect(await make({})()).toEqual({
      accessKeyId: 'from-env',
      secretAccessKey: 'secret',
      sessionToken: 'token',
    })
  })

  test.each([
    ['an unknown profile', { profile: 'absent' }, /^provider b: no AWS credentials from profile absent: /],
    ['nothing anywhere', {}, /^provider b: no AWS credentials from the default credential chain: /],
  ])('%s', async (_, more, message) => {
    const failing = Promise.resolve(make(more)())
    await expect(failing).rejects.toThrow(CredentialError)
    await expect(failing).rejects.toThrow(message)
  })
})
