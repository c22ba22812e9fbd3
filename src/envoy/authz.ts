import { randomUUID } from 'node:crypto'
import type { AgentRequest, Decision, Protocol } from '../protocol.ts'
import {
  clusterHeader,
  destinationHeader,
  requestIdHeader,
  responderCluster,
  responderRoute,
  routeHeader,
} from './names.ts'
import type { PlanStore } from './plans.ts'
import type { ResponderServer } from './responder.ts'
import { type CheckedRequest, encodeAllowed, encodeAnswer } from './wire/check.ts'

const longestRequestId = 128

/** A protocol could not decide about a request: a bug or an outage of our own, never the client's fault. */
export class DecisionError extends Error {
  override readonly name = 'DecisionError'
  readonly requestId: string

  constructor(requestId: string, cause: unknown) {
    super('the decision failed', { cause })
    this.requestId = requestId
  }
}

/**
 * Stage 1 (envoy.service.auth.v3.Authorization/Check): one decision a request.
 * @returns the encoded CheckResponse; a promise only where the decision needed one
 * @throws {DecisionError}
 */
export function check(
  request: CheckedRequest,
  protocol: Protocol,
  plans: PlanStore,
  responder: ResponderServer,
): Uint8Array | Promise<Uint8Array> {
  const told = request.headers.get(requestIdHeader)
  const mayStay = told !== undefined && told.length <= longestRequestId && !plans.has(told) && !responder.has(told)
  const id = mayStay ? told : randomUUID()
  const { method, path, headers, port, route, egress, body } = request
  const known: AgentRequest = { id, method, path, headers, port, route, egress, body, arrived: performance.now() }
  try {
    const decision = protocol.decide(known)
    if (!(decision instanceof Promise)) return encodeDecision(decision, id, id === told, plans, responder)
    return decision.then(
      (settled) => encodeDecision(settled, id, id === told, plans, responder),
      (error) => Promise.reject(new DecisionError(id, error)),
    )
  } catch (error) {
    throw new DecisionError(id, error)
  }
}

function encodeDecision(
  decision: Decision,
  id: string,
  idStays: boolean,
  plans: PlanStore,
  responder: ResponderServer,
): Uint8Array {
  if (decision.type === 'answer') {
    if (!idStays) decision.answer.headers.push([requestIdHeader, id])
    return encodeAnswer(decision.answer)
  }
  let headers: [string, string][]
  let remove: readonly string[] | undefined
  if (decision.type === 'pass') {
    if (!idStays) decision.set.push([requestIdHeader, id])
    return encodeAllowed(decision.set, decision.remove)
  }
  if (decision.type === 'respond') {
    responder.expect(id, decision.respond)
    headers = [
      [clusterHeader, responderCluster],
      [routeHeader, responderRoute],
    ]
  } else {
    const { plan } = decision
    plans.add(plan)
    headers = [
      [clusterHeader, plan.pool],
      [routeHeader, plan.routeClass],
    ]
    const { destination } = plan
    if (destination === '') remove = [destinationHeader]
    else if (destination !== undefined) headers.push([destinationHeader, destination])
  }
  if (decision.path !== undefined) headers.push([':path', decision.path])
  if (!idStays) headers.push([requestIdHeader, id])
  return encodeAllowed(headers, remove)
}
