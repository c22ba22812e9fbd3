import { readFileSync } from 'node:fs'
import {
  create,
  createFileRegistry,
  type DescMessage,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServiceDefinition,
} from '@grpc/grpc-js'

/** gRPC servers of tests, on grpc-js, with protobuf-es's messages. */

const registry = createFileRegistry(
  fromBinary(FileDescriptorSetSchema, readFileSync(new URL('./orders.binpb', import.meta.url))),
)

/** shop.v1.Order and shop.v1.GetRequest of orders.proto. */
export const orderSchema = registry.getMessage('shop.v1.Order')!
export const getRequestSchema = registry.getMessage('shop.v1.GetRequest')!

export interface OrderFields {
  id: string
  items: number
  seenPath: string
}

/** A method's definition for grpc-js. */
export function method<I extends DescMessage, O extends DescMessage>(
  path: string,
  input: I,
  output: O,
  stream: { request?: boolean; response?: boolean } = {},
): MethodDefinition<MessageShape<I>, MessageShape<O>> {
  return {
    path,
    requestStream: stream.request ?? false,
    responseStream: stream.response ?? false,
    requestSerialize: (message) => Buffer.from(toBinary(input, message)),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(output, message)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  }
}

export const ordersService = {
  Get: method('/shop.v1.Orders/Get', getRequestSchema, orderSchema),
  Watch: method('/shop.v1.Orders/Watch', getRequestSchema, orderSchema, { response: true }),
} satisfies ServiceDefinition

/** @returns an order as a message */
export function order(fields: OrderFields): MessageShape<typeof orderSchema> {
  return create(orderSchema, fields as never)
}

export interface GrpcServer {
  url: string
  close(): void
}

/** Starts a gRPC server. @param handlers by the methods' names */
export async function grpcServer(
  service: ServiceDefinition,
  handlers: Record<
    string,
    // biome-ignore lint/suspicious/noExplicitAny: grpc-js's handlers differ in the messages they take
    handleUnaryCall<any, any> | handleServerStreamingCall<any, any> | handleBidiStreamingCall<any, any>
  >,
): Promise<GrpcServer> {
  const server = new Server()
  server.addService(service, handlers)
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
  return { url: `http://127.0.0.1:${port}`, close: () => server.forceShutdown() }
}
