/**
 * What can be asked of an agent, by names that no version and no binding uses, and what each of them calls it
 * (A2A 1.0, section 5.3; A2A 0.3, section 3.5.6).
 */

export type A2aBinding = 'jsonrpc' | 'http+json' | 'grpc'
export type A2aVersion = '0.3' | '1.0'

/** How a request or an answer is spelled. */
export interface Wire {
  readonly binding: A2aBinding
  readonly version: A2aVersion
}

export const operations = [
  'sendMessage',
  'streamMessage',
  'getTask',
  'listTasks',
  'cancelTask',
  'subscribeToTask',
  'setPushConfig',
  'getPushConfig',
  'listPushConfigs',
  'deletePushConfig',
  'getExtendedCard',
] as const
export type A2aOperation = (typeof operations)[number]

/** The gRPC services, by version. */
export const grpcService = { '1.0': 'lf.a2a.v1.A2AService', '0.3': 'a2a.v1.A2AService' } as const

/** The method of gRPC, and in 1.0 of JSON-RPC as well. 0.3 cannot list tasks. */
const names: Record<A2aOperation, { modern: string; legacyRpc?: string; legacyGrpc?: string }> = {
  sendMessage: { modern: 'SendMessage', legacyRpc: 'message/send', legacyGrpc: 'SendMessage' },
  streamMessage: {
    modern: 'SendStreamingMessage',
    legacyRpc: 'message/stream',
    legacyGrpc: 'SendStreamingMessage',
  },
  getTask: { modern: 'GetTask', legacyRpc: 'tasks/get', legacyGrpc: 'GetTask' },
  listTasks: { modern: 'ListTasks' },
  cancelTask: { modern: 'CancelTask', legacyRpc: 'tasks/cancel', legacyGrpc: 'CancelTask' },
  subscribeToTask: { modern: 'SubscribeToTask', legacyRpc: 'tasks/resubscribe', legacyGrpc: 'TaskSubscription' },
  setPushConfig: {
    modern: 'CreateTaskPushNotificationConfig',
    legacyRpc: 'tasks/pushNotificationConfig/set',
    legacyGrpc: 'CreateTaskPushNotificationConfig',
  },
  getPushConfig: {
    modern: 'GetTaskPushNotificationConfig',
    legacyRpc: 'tasks/pushNotificationConfig/get',
    legacyGrpc: 'GetTaskPushNotificationConfig',
  },
  listPushConfigs: {
    modern: 'ListTaskPushNotificationConfigs',
    legacyRpc: 'tasks/pushNotificationConfig/list',
    legacyGrpc: 'ListTaskPushNotificationConfig',
  },
  deletePushConfig: {
    modern: 'DeleteTaskPushNotificationConfig',
    legacyRpc: 'tasks/pushNotificationConfig/delete',
    legacyGrpc: 'DeleteTaskPushNotificationConfig',
  },
  getExtendedCard: {
    modern: 'GetExtendedAgentCard',
    legacyRpc: 'agent/getAuthenticatedExtendedCard',
    legacyGrpc: 'GetAgentCard',
  },
}

/** The method's name on a wire that names methods. @returns undefined where this version has no such operation */
export function methodName(operation: A2aOperation, binding: 'jsonrpc' | 'grpc', version: A2aVersion) {
  const { modern, legacyRpc, legacyGrpc } = names[operation]
  if (version === '1.0') return modern
  return binding === 'grpc' ? legacyGrpc : legacyRpc
}

const byName = new Map<string, A2aOperation>()
for (const operation of operations)
  for (const binding of ['jsonrpc', 'grpc'] as const)
    for (const version of ['0.3', '1.0'] as const) {
      const method = methodName(operation, binding, version)
      if (method !== undefined) byName.set(`${binding} ${version} ${method}`, operation)
    }

/** The operation that a method's name stands for. @returns undefined where this version has no such method */
export function operationNamed(method: string, binding: 'jsonrpc' | 'grpc', version: A2aVersion) {
  return byName.get(`${binding} ${version} ${method}`)
}

/** Whether answers of it are streams of events. */
export function isStreaming(operation: A2aOperation): boolean {
  return operation === 'streamMessage' || operation === 'subscribeToTask'
}
