import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AwsSigner } from './aws-signature.ts'
import { modelSegment } from './model-path.ts'
import type { OutgoingRequest } from './provider.ts'

/** The credentials and the date of AWS's published Signature Version 4 test suite. */
const suite = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  date: '20150830T123600Z',
}

describe('the reference implementation of this test agrees with AWS’s test suite', () => {
  test.each([
    ['get-vanilla', 'GET', {}, '', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    ['post-vanilla', 'POST', {}, '', '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
    [
      'post-x-www-form-urlencoded',
      'POST',
      { 'content-type': 'application/x-www-form-urlencoded' },
      'Param1=value1',
      'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
    ],
  ])('%s', (_, method, headers, body, signature) => {
    const signed = { host: 'example.amazonaws.com', 'x-amz-date': suite.date, ...headers }
    expect(
      reference({ method, path: '/', headers: signed, body, region: 'us-east-1', service: 'service', ...suite }),
    ).toBe(
      `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, ` +
        `SignedHeaders=${Object.keys(signed).sort().join(';')}, Signature=${signature}`,
    )
  })
})

describe('AwsSigner signs exactly what goes out', () => {
  test.each([
    ['a plain model id', '/model/amazon.nova-pro-v1%3A0/converse', undefined],
    [
      'an ARN',
      '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x-v1%3A0/converse-stream',
      undefined,
    ],
    ['temporary credentials', '/model/m/converse', 'the-session-token'],
    ['a base path', '/proxy/model/m%20x/invoke', undefined],
    ['a query', '/model/m/converse?b=2&a=1%2F2', undefined],
  ])('%s', async (_, path, sessionToken) => {
    await verify(path, '{"messages":[]}', sessionToken)
  })

  test('whatever the model’s name and the body', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), async (model, body) => {
        const segment = modelSegment(model)
        if (segment !== undefined) await verify(`/model/${segment}/converse`, body)
      }),
    )
  })

  test('other headers are neither signed nor touched', async () => {
    const request = outgoing('/model/m/converse', '{}')
    request.headers['x-request-id'] = 'abc'
    await signer().sign(request)
    expect(request.headers['x-request-id']).toBe('abc')
    expect(request.headers.authorization).toContain('SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date,')
    expect(request.headers.host).toBeUndefined()
  })

  test('a source without credentials fails the request', async () => {
    const broken = new AwsSigner('us-east-1', 'bedrock', () => Promise.reject(new Error('none')))
    await expect(broken.sign(outgoing('/', ''))).rejects.toThrow('none')
  })
})

function signer(sessionToken?: string): AwsSigner {
  const { accessKeyId, secretAccessKey } = suite
  return new AwsSigner('us-east-1', 'bedrock', () => ({
    accessKeyId,
    secretAccessKey,
    ...(sessionToken !== undefined && { sessionToken }),
  }))
}

function outgoing(path: string, body: string): OutgoingRequest {
  return {
    method: 'POST',
    scheme: 'https',
    authority: 'bedrock-runtime.us-east-1.amazonaws.com',
    path,
    headers: { 'content-type': 'application/json' },
    body: new TextEncoder().encode(body),
  }
}

async function verify(path: string, body: string, sessionToken?: string): Promise<void> {
  const request = outgoing(path, body)
  await signer(sessionToken).sign(request, new Date('2015-08-30T12:36:00Z'))
  const { authorization, ...rest } = request.headers
  expect(rest['x-amz-date']).toBe(suite.date)
  expect(rest['x-amz-content-sha256']).toBe(sha256(request.body))
  expect(rest['x-amz-security-token']).toBe(sessionToken)
  const headers = { ...rest, host: request.authority }
  expect(authorization).toBe(
    reference({ method: 'POST', path, headers, body: request.body, region: 'us-east-1', service: 'bedrock', ...suite }),
  )
}

/**
 * Signature Version 4 by the letter of the specification, written apart from the library under test.
 * @param path as on the wire: SigV4 encodes it a second time
 */
function reference(request: {
  method: string
  path: string
  headers: Record<string, string>
  body: string | Uint8Array
  region: string
  service: string
  accessKeyId: string
  secretAccessKey: string
  date: string
}): string {
  const { method, region, service, date } = request
  const [path = '', query = ''] = request.path.split('?')
  const canonicalPath = path.split('/').map(encode).join('/')
  const canonicalQuery = [...new URLSearchParams(query)]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')
  const names = Object.keys(request.headers).sort()
  const canonical = [
    method,
    canonicalPath,
    canonicalQuery,
    ...names.map((name) => `${name}:${request.headers[name]}`),
    '',
    names.join(';'),
    sha256(request.body),
  ].join('\n')
  const scope = `${date.slice(0, 8)}/${region}/${service}/aws4_request`
  const key = scope.split('/').reduce<string | Buffer>((key, part) => hmac(key, part), `AWS4${request.secretAccessKey}`)
  const signature = hmac(key, ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n')).toString('hex')
  return `AWS4-HMAC-SHA256 Credential=${request.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`
}

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex')
const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest()

function encode(text: string): string {
  return [...new TextEncoder().encode(text)]
    .map((byte) => {
      const char = String.fromCharCode(byte)
      return /[A-Za-z0-9._~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}
