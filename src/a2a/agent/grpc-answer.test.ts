import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import type { EgressResponse } from '../../mcp/server/egress.ts'
import { grpcMessages, refusalOf } from './grpc-answer.ts'

const answer = (more: Partial<EgressResponse>, bytes = Buffer.alloc(0)): EgressResponse => ({
  status: 200,
  headers: { 'content-type': 'application/grpc' },
  body: Readable.from([bytes]) as unknown as EgressResponse['body'],
  trailers: {},
  ...more,
})

test.each<[Partial<EgressResponse>, number]>([
  [{ headers: { 'grpc-status': '16' } }, 401],
  [{ headers: { 'grpc-status': '7' } }, 403],
  [{ headers: { 'grpc-status': '5' } }, 200],
  [{ status: 401 }, 401],
  [{}, 200],
])('credentials that an agent does not take, as HTTP says it: %j', (more, status) => {
  expect(refusalOf(answer(more))).toBe(status)
})

test('a status that stands before the messages counts where none follows', async () => {
  const read = async (one: EgressResponse) => {
    for await (const _ of grpcMessages(one, 'getTask', { binding: 'grpc', version: '1.0' }, 100, () => undefined));
  }
  await expect(read(answer({ trailers: { 'grpc-status': '14', 'grpc-message': 'full' } }))).rejects.toMatchObject({
    kind: 'unavailable',
    message: 'full',
  })
  await expect(read(answer({}))).rejects.toMatchObject({ message: expect.stringContaining('without a status') })
  await expect(read(answer({ trailers: { 'grpc-status': '0' } }))).resolves.toBeUndefined()
})
