import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { GoogleCredentials } from './google-credentials.ts'
import { CredentialError } from './provider.ts'

/** A token service on the loopback: workload identity files may say where theirs is. */
describe('GoogleCredentials', () => {
  let folder: string
  let file: string
  let tokens: Server
  let asked: string[]
  const clock = { now: 0 }

  beforeEach(async () => {
    asked = []
    clock.now = Date.now()
    folder = await mkdtemp(join(tmpdir(), 'google-'))
    file = join(folder, 'credentials.json')
    tokens = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', () => {
        asked.push(new URLSearchParams(body).get('audience') ?? '')
        response.setHeader('content-type', 'application/json')
        response.end(
          JSON.stringify({
            access_token: `token-${asked.length}`,
            issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
            token_type: 'Bearer',
            expires_in: 3600,
          }),
        )
      })
    })
    await new Promise<void>((resolve) => tokens.listen(0, '127.0.0.1', resolve))
    await writeFile(join(folder, 'subject'), 'a-subject-token')
  })

  afterEach(async () => {
    await new Promise((resolve) => tokens.close(resolve))
    await rm(folder, { recursive: true })
  })

  const writeFileFor = (audience: string) =>
    writeFile(
      file,
      JSON.stringify({
        type: 'external_account',
        audience: `//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/${audience}/providers/p`,
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        token_url: `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`,
        credential_source: { file: join(folder, 'subject') },
      }),
    )

  test('one token for all who ask, kept, and at once from then on', async () => {
    await writeFileFor('pool')
    const credentials = new GoogleCredentials('v', file, () => clock.now)
    const all = await Promise.all([credentials.headers(), credentials.headers(), credentials.headers()])
    expect(all).toEqual(Array(3).fill({ authorization: 'Bearer token-1' }))
    expect(credentials.headers()).toEqual({ authorization: 'Bearer token-1' })
    expect(asked).toHaveLength(1)
  })

  test('a replaced file is read anew', async () => {
    await writeFileFor('one')
    const credentials = new GoogleCredentials('v', file, () => clock.now)
    await credentials.headers()
    await writeFileFor('another')
    expect(credentials.headers()).toEqual({ authorization: 'Bearer token-1' })
    clock.now += 1000
    expect(await credentials.headers()).toEqual({ authorization: 'Bearer token-2' })
    expect(asked.map((audience) => audience.split('/').at(-3))).toEqual(['one', 'another'])
  })

  test('a file that is gone for a moment does no harm', async () => {
    await writeFileFor('pool')
    const credentials = new GoogleCredentials('v', file, () => clock.now)
    await credentials.headers()
    await rm(file)
    clock.now += 1000
    expect(credentials.headers()).toEqual({ authorization: 'Bearer token-1' })
  })

  test.each([
    ['is missing', undefined, /ENOENT/],
    ['is not JSON', 'private-key-material', /the file is not valid JSON$/],
    ['is of no known type', '{"type":"gdch_service_account"}', /`type` is none of service_account/],
    ['is not an object', 'null', /`type` is none of/],
  ])('a file that %s is named, its content is not', async (_, content, message) => {
    if (content !== undefined) await writeFile(file, content)
    const failing = Promise.resolve(new GoogleCredentials('v', file, () => clock.now).headers())
    await expect(failing).rejects.toThrow(CredentialError)
    await expect(failing).rejects.toThrow(`provider v: no Google access token from ${file}`)
    await expect(failing).rejects.toThrow(message)
    await expect(failing).rejects.not.toThrow(/private-key/)
  })

  test('a token service that refuses is told of, and asked again after a pause', async () => {
    await writeFileFor('pool')
    await rm(join(folder, 'subject'))
    const credentials = new GoogleCredentials('v', file, () => clock.now)
    await expect(credentials.headers()).rejects.toThrow(CredentialError)
    await writeFile(join(folder, 'subject'), 'a-subject-token')
    await expect(credentials.headers()).rejects.toThrow(CredentialError)
    clock.now += 2000
    expect(await credentials.headers()).toEqual({ authorization: 'Bearer token-1' })
  })
})
