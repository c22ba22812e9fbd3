import type { A2aPushRule } from '../config/a2a.ts'
import { isObject, type JsonObject } from '../json.ts'
import type { A2aCall } from './call.ts'
import { A2aError } from './errors.ts'
import { type TargetCheck, TargetError } from './push/target.ts'

/** What becomes of the callbacks that clients name. Every push config that goes to an agent goes through here. */

/** A push config in 1.0's JSON, and whose it is. */
export interface CallbackWanted {
  readonly config: JsonObject
  /** The agent's name in the rules. */
  readonly agent: string
  /** As `callerKey` spells it. */
  readonly owner: string
  readonly call: A2aCall
}

/** @returns the config that the agent is given. @throws {A2aError} where the URL may not be called, or nobody may be notified */
export type Callbacks = (wanted: CallbackWanted) => Promise<JsonObject>

/** Nobody is notified. */
export const noCallbacks: Callbacks = async () => {
  throw new A2aError(
    'pushNotSupported',
    'Push notifications are off at this gateway; poll the task, or subscribe to it',
    {
      rule: 'a2a.push.mode',
    },
  )
}

/** Whether clients may ask to be notified. */
export function offersPush({ mode }: A2aPushRule, callbacks: Callbacks): boolean {
  return mode !== 'off' && callbacks !== noCallbacks
}

/** The parameters of a call, with its push config as the agent is given it. @throws {A2aError} */
export async function withCallbacks(
  call: A2aCall,
  agent: string,
  owner: string,
  callbacks: Callbacks,
): Promise<JsonObject> {
  const { operation, params } = call
  if (operation === 'setPushConfig') return callbacks({ config: params, agent, owner, call })
  const { configuration } = params
  if (!isObject(configuration) || !isObject(configuration.taskPushNotificationConfig)) return params
  const config = await callbacks({ config: configuration.taskPushNotificationConfig, agent, owner, call })
  return { ...params, configuration: { ...configuration, taskPushNotificationConfig: config } }
}

/**
 * Clients' URLs go to the agent as they are, if they may be called. Where their names lead later is the agent's to check.
 * @param check which URLs may be called
 */
export function checkedCallbacks(check: Pick<TargetCheck, 'check'>): Callbacks {
  return async ({ config }) => {
    try {
      await check.check(typeof config.url === 'string' ? config.url : '')
    } catch (error) {
      if (!(error instanceof TargetError)) throw error
      throw new A2aError('invalidParams', error.message, { rule: 'a2a.push' })
    }
    return config
  }
}
