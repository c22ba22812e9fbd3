import { type handleUnaryCall, Server, type ServiceDefinition, status } from '@grpc/grpc-js'

/** grpc.health.v1.HealthCheckResponse with the status SERVING, as it is on the wire. */
const serving = Buffer.from([0x08, 0x01])

const same = (bytes: Buffer) => bytes

/** Of grpc.health.v1.Health, which every gRPC client and balancer knows, the question that is asked once. */
const health: ServiceDefinition = {
  Check: {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
}

/** A gRPC service that is well. It is asked for no service by name, or it knows none: NOT_FOUND. */
export function orders(): Server {
  const check: handleUnaryCall<Buffer, Buffer> = ({ request }, answer) => {
    if (request.length === 0) answer(null, serving)
    else answer({ code: status.NOT_FOUND, details: 'there is no such service' })
  }
  const server = new Server()
  server.addService(health, { Check: check })
  return server
}
