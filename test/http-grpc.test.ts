import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  Client,
  credentials,
  Metadata,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'
import { ask } from './http/echo.ts'
import {
  type GrpcServer,
  getRequestSchema,
  grpcServer,
  type OrderFields,
  order,
  orderSchema,
  ordersService,
} from './http/grpc.ts'

/** gRPC through a real Envoy: calls and streams, deadlines, gRPC-Web and JSON. */

let orders: GrpcServer
let other: GrpcServer
let gateway: TestGateway
let client: Client

const descriptorFile = new URL('./http/orders.binpb', import.meta.url).pathname

function ordersServer(name: string): Promise<GrpcServer> {
  return grpcServer(ordersService, {
    Get: (call: ServerUnaryCall<unknown, unknown>, done: sendUnaryData<unknown>) => {
      const { id } = call.request as OrderFields
      if (id === 'missing') return done({ code: status.NOT_FOUND, details: 'no such order' })
      if (id === 'slow') return void setTimeout(() => done(null, order({ id, items: 1, seenPath: name })), 5_000)
      done(null, order({ id, items: 3, seenPath: `${name} ${call.metadata.get('x-route')[0] ?? ''}` }))
    },
    Watch: (call: ServerWritableStream<unknown, unknown>) => {
      for (const items of [1, 2, 3]) call.write(order({ id: (call.request as OrderFields).id, items, seenPath: name }))
      call.end()
    },
  })
}

beforeAll(async () => {
  orders = await ordersServer('orders')
  other = await ordersServer('other')
  gateway = await startGateway({
    http: {
      services: {
        orders: { url: orders.url, protocol: 'grpc', health: { type: 'tcp', interval: '1s', healthyAfter: 1 } },
        other: { url: other.url, protocol: 'grpc' },
      },
      routes: [
        {
          name: 'beta',
          match: { grpc: { service: 'shop.v1.Orders', method: 'Get' }, headers: { 'x-beta': '1' } },
          service: 'other',
        },
        {
          name: 'get',
          match: { grpc: { service: 'shop.v1.Orders', method: 'Get' } },
          service: 'orders',
          requestHeaders: { set: { 'x-route': 'get' } },
          grpcWeb: true,
        },
        { name: 'orders', match: { grpc: { service: 'shop.v1.Orders' } }, service: 'orders', grpcWeb: true },
        {
          name: 'refused',
          match: { grpc: { service: 'shop.v1.Refused' } },
          service: 'orders',
          fault: { abort: { grpcStatus: 8 } },
        },
        {
          name: 'limited',
          match: { grpc: { service: 'shop.v1.Limited' } },
          service: 'orders',
          rateLimit: { requests: 1, per: '1h' },
        },
        {
          name: 'json',
          match: { prefix: '/v1/orders' },
          service: 'orders',
          transcode: { descriptorFile, services: ['shop.v1.Orders'], protoNames: true },
        },
      ],
    },
  })
  client = new Client(new URL(gateway.url).host, credentials.createInsecure())
})

afterAll(async () => {
  client?.close()
  await gateway?.stop()
  orders?.close()
  other?.close()
})

type Order = ReturnType<typeof order> & Partial<OrderFields>

function call(
  id: string,
  options: { path?: string; headers?: Record<string, string>; deadlineMs?: number } = {},
): Promise<Order> {
  const { Get } = ordersService
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(options.headers ?? {})) metadata.set(name, value)
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      options.path ?? Get.path,
      Get.requestSerialize,
      Get.responseDeserialize,
      create(getRequestSchema, { id } as never),
      metadata,
      { deadline: Date.now() + (options.deadlineMs ?? 20_000) },
      (error, value) => (error ? reject(error) : resolve(value as Order)),
    )
  })
}

const failing = (promise: Promise<unknown>) =>
  promise.then(
    () => {
      throw new Error('it succeeded')
    },
    (error: ServiceError) => ({ code: error.code, details: error.details }),
  )

describe('gRPC', () => {
  test('calls go by service, method and headers', async () => {
    expect(await call('7')).toMatchObject({ id: '7', items: 3, seenPath: 'orders get' })
    expect((await call('7', { headers: { 'x-beta': '1' } })).seenPath).toBe('other ')
  })

  test('statuses come through', async () => {
    expect(await failing(call('missing'))).toEqual({ code: status.NOT_FOUND, details: 'no such order' })
  })

  test('streams come through', async () => {
    const { Watch } = ordersService
    const stream = client.makeServerStreamRequest(
      Watch.path,
      Watch.requestSerialize,
      Watch.responseDeserialize,
      create(getRequestSchema, { id: '7' } as never),
    )
    const items: number[] = []
    for await (const each of stream) items.push((each as Order).items!)
    expect(items).toEqual([1, 2, 3])
  })

  test('a deadline of the client is kept to', async () => {
    expect((await failing(call('slow', { deadlineMs: 1_000 }))).code).toBe(status.DEADLINE_EXCEEDED)
  })

  test('what Envoy refuses is a status of gRPC', async () => {
    expect((await failing(call('7', { path: '/shop.v1.Refused/Get' }))).code).toBe(status.RESOURCE_EXHAUSTED)
    const limited = () => failing(call('7', { path: '/shop.v1.Limited/Get' }))
    expect((await limited()).code).toBe(status.UNIMPLEMENTED)
    expect(await limited()).toEqual({ code: status.RESOURCE_EXHAUSTED, details: 'local_rate_limited' })
  })
})

test('gRPC-Web of browsers becomes gRPC', async () => {
  const message = toBinary(getRequestSchema, create(getRequestSchema, { id: '9' } as never))
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message])
  const response = await fetch(`${gateway.url}/shop.v1.Orders/Get`, {
    method: 'POST',
    headers: { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' },
    body: frame,
  })
  expect(response.headers.get('content-type')).toBe('application/grpc-web+proto')
  const bytes = Buffer.from(await response.arrayBuffer())
  const length = bytes.readUInt32BE(1)
  expect(fromBinary(orderSchema, bytes.subarray(5, 5 + length))).toMatchObject({ id: '9', items: 3 })
  const trailers = bytes.subarray(5 + length)
  expect(trailers[0]).toBe(0x80)
  expect(trailers.subarray(5).toString()).toContain('grpc-status:0')
})

describe('JSON', () => {
  test('becomes gRPC, and the answer JSON', async () => {
    const answer = await ask(gateway.url, '/v1/orders/11')
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toBe('application/json')
    expect(answer.json()).toEqual({ id: '11', items: 3, seen_path: 'orders ' })
  })

  test('statuses of gRPC become statuses of HTTP', async () => {
    const answer = await ask(gateway.url, '/v1/orders/missing')
    expect(answer.status).toBe(404)
    expect(answer.json()).toMatchObject({ code: 5, message: 'no such order' })
  })

  test('what is no call is refused', async () => {
    expect((await ask(gateway.url, '/v1/orders/11?nothing=1')).status).toBe(400)
    expect((await ask(gateway.url, '/v1/orders/11/items')).status).toBe(404)
  })
})

test('nothing went wrong on the way', () => {
  expect(gateway.reports).toEqual([])
})
