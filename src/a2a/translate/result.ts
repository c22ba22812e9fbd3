import { isObject, type JsonObject } from '../../json.ts'
import { legacyCard } from '../card/legacy-card.ts'
import { modernCard } from '../card/modern-card.ts'
import { A2aError } from '../errors.ts'
import type { A2aOperation } from '../operations.ts'
import { compact, field, listAt, objectAt } from './fields.ts'
import { legacyTaskPushConfig, modernTaskPushConfig } from './push-config.ts'
import { notInLegacy } from './schemas.ts'
import type { LegacyStyle } from './style.ts'
import { legacyEvent, legacyTask, modernEvent, modernTask } from './task.ts'

/** Results, and the events of streams: 1.0, section 3.1; 0.3, section 7. The neutral form is 1.0's. */

/**
 * What an agent of 0.3 answered as 1.0 has it.
 * @param value the JSON-RPC result, the body, the event's data, or protobuf's JSON
 * @throws {A2aError} `invalidAgentResponse`
 */
export function modernResult(operation: A2aOperation, value: unknown): JsonObject {
  return blamingAgent(() => {
    switch (operation) {
      case 'sendMessage':
      case 'streamMessage':
      case 'subscribeToTask':
        return modernEvent(value)
      case 'getTask':
      case 'cancelTask':
        return modernTask(value)
      case 'setPushConfig':
      case 'getPushConfig':
        return modernTaskPushConfig(value, 'result')
      case 'listPushConfigs': {
        // JSON-RPC has the bare list.
        const configs = Array.isArray(value) ? value : listAt(field(objectAt(value, 'result'), 'configs'), 'configs')
        return compact({
          configs: configs.map((config, index) => modernTaskPushConfig(config, `configs[${index}]`)),
          nextPageToken: isObject(value) ? field(value, 'nextPageToken') : undefined,
        })
      }
      case 'deletePushConfig':
        return {}
      case 'getExtendedCard':
        return modernCard(objectAt(value, 'card'))
      case 'listTasks':
        throw notInLegacy(operation)
    }
  })
}

/**
 * What an agent of 1.0 answered as 0.3 has it.
 * @throws {A2aError} where 0.3 cannot say it
 */
export function legacyResult(operation: A2aOperation, value: JsonObject, style: LegacyStyle): unknown {
  return blamingAgent(() => {
    switch (operation) {
      case 'sendMessage':
      case 'streamMessage':
      case 'subscribeToTask':
        return legacyEvent(value, style)
      case 'getTask':
      case 'cancelTask':
        return legacyTask(value, style)
      case 'setPushConfig':
      case 'getPushConfig':
        return legacyTaskPushConfig(value, style, 'result')
      case 'listPushConfigs': {
        const configs = listAt(value.configs, 'configs').map((config, index) =>
          legacyTaskPushConfig(config, style, `configs[${index}]`),
        )
        if (style === 'proto') return { configs, ...compact({ nextPageToken: value.nextPageToken }) }
        if (value.nextPageToken !== undefined && value.nextPageToken !== '')
          throw new A2aError(
            'unsupportedOperation',
            'The agent has more push configs than one page, and A2A 0.3 has no pages: ask with A2A 1.0',
          )
        return configs
      }
      case 'deletePushConfig':
        return style === 'kind' ? null : {}
      case 'getExtendedCard':
        return legacyCard(value, style)
      case 'listTasks':
        throw notInLegacy(operation)
    }
  })
}

/** What does not fit in an answer is the agent's doing, not the caller's. */
export function blamingAgent<T>(translate: () => T): T {
  try {
    return translate()
  } catch (error) {
    if (!(error instanceof A2aError) || error.kind !== 'invalidParams') throw error
    throw new A2aError('invalidAgentResponse', `The agent’s answer is not one of A2A: ${error.message}`, {
      cause: error,
    })
  }
}
