import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import type { SignatureV4 } from '@smithy/signature-v4'
import type { AwsCredentialSource } from './aws-credentials.ts'
import type { OutgoingRequest } from './provider.ts'

type Options = ConstructorParameters<typeof SignatureV4>[0]
type SourceData = ConstructorParameters<Exclude<Options['sha256'], undefined>>[0]

/**
 * Signs a request with AWS Signature Version 4, adding authorization, x-amz-date, x-amz-content-sha256 and, with
 * temporary credentials, x-amz-security-token.
 * What is signed is what goes out: method, the path as it is on the wire (SigV4 encodes it once more, so `%3A` is
 * signed as `%253A`), host, content-type and body. Other headers are not signed, so that Envoy may add its own.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export class AwsSigner {
  readonly #options: Pick<Options, 'region' | 'service' | 'credentials'>
  #signer: Promise<SignatureV4> | undefined

  constructor(region: string, service: string, source: AwsCredentialSource) {
    this.#options = { region, service, credentials: async () => source() }
  }

  /** @throws {CredentialError} (rejects) where the source has none */
  async sign(request: OutgoingRequest, signingDate: Date = new Date()): Promise<void> {
    // Loaded when the first request is signed: a gateway without Bedrock does without it.
    this.#signer ??= import('@smithy/signature-v4').then(
      ({ SignatureV4 }) => new SignatureV4({ ...this.#options, sha256: Sha256 }),
    )
    const signer = await this.#signer
    const [path, query] = splitQuery(request.path)
    const contentType = request.headers['content-type']
    const signed = await signer.sign(
      {
        method: request.method,
        protocol: `${request.scheme}:`,
        hostname: request.authority,
        path,
        query,
        headers: { host: request.authority, ...(contentType !== undefined && { 'content-type': contentType }) },
        body: request.body,
      },
      { signingDate },
    )
    for (const name of ['authorization', 'x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token']) {
      const value = signed.headers[name]
      if (value !== undefined) request.headers[name] = value
    }
  }
}

function splitQuery(path: string): [path: string, query: Record<string, string>] {
  const mark = path.indexOf('?')
  if (mark < 0) return [path, {}]
  return [path.slice(0, mark), Object.fromEntries(new URLSearchParams(path.slice(mark + 1)))]
}

/** Node's own SHA-256 in the form the signer wants: several times faster than one in JavaScript on large bodies. */
class Sha256 {
  readonly #secret: SourceData
  #hash: Hash | Hmac

  constructor(secret?: SourceData) {
    this.#secret = secret
    this.#hash = start(secret)
  }

  update(data: Uint8Array): void {
    this.#hash.update(data)
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }

  reset(): void {
    this.#hash = start(this.#secret)
  }
}

function start(secret: SourceData): Hash | Hmac {
  if (secret === undefined) return createHash('sha256')
  return createHmac('sha256', typeof secret === 'string' ? secret : Buffer.from(secret as Uint8Array))
}
