import { isObject, type JsonObject } from '../json.ts'
import type { A2aCall } from './call.ts'
import { A2aError } from './errors.ts'
import type { Asker } from './front/account.ts'
import type { A2aOperation } from './operations.ts'
import { type TargetCheck, TargetError } from './push/target.ts'

/** What becomes of the callbacks that clients name. Every push config that goes to an agent or comes from one goes through here. */

/** A call that is about callbacks, and whose it is. Its task is known to be the caller's. */
export interface CallbackWanted {
  readonly call: A2aCall
  /** As `ownerKey` spells it. */
  readonly owner: string
  readonly asker: Asker
}

/** The callbacks of one call, from its beginning to its end. */
export interface CallbackCourse {
  /** The call's parameters as the agent is given them. */
  readonly params: JsonObject
  /** Takes an answer or event of the agent's. @returns it as the client may see it @throws {A2aError} */
  shown(value: JsonObject): Promise<JsonObject>
  /** The call is over. @param error what the client was told instead of a result; `aborted`: it did not wait for one */
  ended(error: A2aError | 'aborted' | undefined): Promise<void>
}

export interface Callbacks {
  /** Whether clients may ask to be notified. */
  readonly offered: boolean
  /** @throws {A2aError} where a URL may not be called, or nobody may be notified */
  begin(wanted: CallbackWanted): Promise<CallbackCourse>
}

const about: ReadonlySet<A2aOperation> = new Set([
  'setPushConfig',
  'getPushConfig',
  'listPushConfigs',
  'deletePushConfig',
])

/** Whether a call is about callbacks: most are not. */
export function concernsCallbacks(call: A2aCall): boolean {
  return about.has(call.operation) || configIn(call) !== undefined
}

/** The push config that a call brings, in the neutral form. */
export function configIn({ operation, params }: A2aCall): JsonObject | undefined {
  if (operation === 'setPushConfig') return params
  const { configuration } = params
  if (!isObject(configuration) || !isObject(configuration.taskPushNotificationConfig)) return undefined
  return configuration.taskPushNotificationConfig
}

/** The call's parameters with another push config in the place of its own. */
export function withConfig({ operation, params }: A2aCall, config: JsonObject): JsonObject {
  if (operation === 'setPushConfig') return config
  const configuration = isObject(params.configuration) ? params.configuration : {}
  return { ...params, configuration: { ...configuration, taskPushNotificationConfig: config } }
}

/** A course on which everything stays as it is. */
export function unchanged(params: JsonObject): CallbackCourse {
  return { params, shown: async (value) => value, ended: async () => undefined }
}

/** Nobody is notified. @param why for clients */
export function noCallbacks(
  why = 'Push notifications are off at this gateway; poll the task, or subscribe to it',
): Callbacks {
  return {
    offered: false,
    begin: async () => {
      throw new A2aError('pushNotSupported', why, { rule: 'a2a.push.mode' })
    },
  }
}

/**
 * Clients' URLs go to the agent as they are, if they may be called. Where their names lead later is the agent's to check.
 * @param check which URLs may be called
 */
export function checkedCallbacks(check: Pick<TargetCheck, 'check'>): Callbacks {
  return {
    offered: true,
    begin: async ({ call }) => {
      const config = configIn(call)
      if (config) await checkTarget(check, config.url)
      return unchanged(call.params)
    },
  }
}

/** @throws {A2aError} where a URL that a client names may not be called */
export async function checkTarget(check: Pick<TargetCheck, 'check'>, url: unknown): Promise<void> {
  try {
    await check.check(typeof url === 'string' ? url : '')
  } catch (error) {
    if (!(error instanceof TargetError)) throw error
    throw new A2aError('invalidParams', error.message, { rule: 'a2a.push' })
  }
}
