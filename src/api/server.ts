import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Code, ConnectError, createContextKey, createContextValues, type Interceptor } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { AuditService } from '#gen/chaperone/v1/audit_pb.js'
import { KeyService } from '#gen/chaperone/v1/keys_pb.js'
import { RuleService } from '#gen/chaperone/v1/rules_pb.js'
import { DecisionService, UsageService } from '#gen/chaperone/v1/usage_pb.js'
import type { AuditLog } from '../audit/audit-log.ts'
import type { KeyStore } from '../identity/key-store.ts'
import type { RuleStore, Validate } from '../store/rule-store.ts'
import type { Books } from '../usage/books.ts'
import { auditService } from './audit-service.ts'
import { Authorization } from './authorization.ts'
import { type Audit, operatorKey } from './context.ts'
import { decisionService, type Explainer } from './decision-service.ts'
import { keyService } from './key-service.ts'
import { ruleService } from './rule-service.ts'
import { usageService } from './usage-service.ts'

export interface ApiOptions {
  address: string
  /** 0: one that is free. */
  port: number
  keys: KeyStore
  /** None: the rules are a file, and the methods say so. */
  rules?: RuleStore | undefined
  validate: Validate
  books: Books
  explainer: Explainer
  /** None: nothing can be changed. */
  auditLog?: AuditLog | undefined
  /** An admin's, for the first key. */
  rootToken?: string | undefined
  audit: Audit
  /** Told of what went wrong on the way of a call. */
  report(error: unknown): void
}

const longestMessage = 8 * 1024 * 1024
const requestMs = 30_000
const addressKey = createContextKey('', { description: 'where a call is from' })

/**
 * Serves the management API: Connect's own protocol (JSON or binary, so curl will do), gRPC-Web, and gRPC for clients that
 * speak HTTP/1.1.
 * @throws {Error} where the port cannot be had
 */
export async function startApi(options: ApiOptions): Promise<{ url: string; stop(): Promise<void> }> {
  const { keys, rules, validate, books, explainer, auditLog, rootToken, audit, report } = options
  const authorization = new Authorization(keys.directory(), rootToken)
  const guard: Interceptor = (next) => async (request) => {
    const method = `${request.service.typeName}/${request.method.name}`
    const address = request.contextValues.get(addressKey)
    request.contextValues.set(operatorKey, authorization.operator(method, request.header.get('authorization'), address))
    try {
      return await next(request)
    } catch (error) {
      if (error instanceof ConnectError && error.code !== Code.Internal && error.code !== Code.Unknown) {
        if (error.cause !== undefined) report(error.cause)
        throw new ConnectError(error.rawMessage, error.code, undefined, outgoing(error))
      }
      report(error)
      throw new ConnectError('The service failed. Its log says why.', Code.Internal)
    }
  }
  const handler = connectNodeAdapter({
    routes(router) {
      router.service(KeyService, keyService(keys, audit))
      router.service(UsageService, usageService(books))
      router.service(DecisionService, decisionService(books, keys, explainer))
      if (auditLog) router.service(AuditService, auditService(auditLog))
      if (rules) router.service(RuleService, ruleService(rules, validate, audit))
    },
    interceptors: [guard],
    readMaxBytes: longestMessage,
    writeMaxBytes: 2 * longestMessage,
    maxTimeoutMs: requestMs,
    contextValues: (request) => createContextValues().set(addressKey, request.socket.remoteAddress ?? ''),
  })
  const server = createServer(
    { requestTimeout: requestMs, headersTimeout: 10_000, maxHeaderSize: 16_384 },
    (request, response) => {
      response.setHeader('x-content-type-options', 'nosniff')
      response.setHeader('cache-control', 'no-store')
      handler(request, response)
    },
  )
  await listen(server, options.address, options.port)
  const { port } = server.address() as AddressInfo
  const host = options.address.includes(':') ? `[${options.address}]` : options.address
  return {
    url: `http://${host}:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
        setTimeout(() => server.closeAllConnections(), 1_000).unref()
      }),
  }
}

/** The details that a handler gave an error, to go out with it. */
function outgoing(error: ConnectError): ConstructorParameters<typeof ConnectError>[3] {
  return error.details.flatMap((detail) => ('desc' in detail ? [detail] : []))
}

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
