import type { JsonObject } from '../../json.ts'
import { compact, field, listAt, objectAt, optionalObject } from './fields.ts'
import { legacyConfigName, readName } from './names.ts'
import type { LegacyStyle } from './style.ts'

/** Where agents send notifications: 1.0, sections 4.3.1 and 4.3.2; 0.3, sections 6.8 to 6.10. */

/**
 * The `PushNotificationConfig` of 0.3 as 1.0 has it. Of several authentication schemes, which are alternatives, the
 * first is kept: 1.0 has one.
 */
export function modernPushConfig(value: unknown, path: string): JsonObject {
  const config = objectAt(value, path)
  const authentication = optionalObject(field(config, 'authentication'), `${path}.authentication`)
  return compact({
    id: field(config, 'id'),
    url: field(config, 'url'),
    token: field(config, 'token'),
    authentication:
      authentication &&
      compact({
        scheme: listAt(field(authentication, 'schemes'), `${path}.authentication.schemes`)[0],
        credentials: field(authentication, 'credentials'),
      }),
  })
}

/** The config of 1.0 as the `PushNotificationConfig` of 0.3. */
export function legacyPushConfig(value: unknown, path: string): JsonObject {
  const config = objectAt(value, path)
  const authentication = optionalObject(config.authentication, `${path}.authentication`)
  return {
    ...compact({ id: config.id }),
    url: config.url ?? '',
    ...compact({
      token: config.token,
      authentication: authentication && {
        schemes: authentication.scheme === undefined ? [] : [authentication.scheme],
        ...compact({ credentials: authentication.credentials }),
      },
    }),
  }
}

/** The `TaskPushNotificationConfig` of 0.3, with the task's id or its name, as 1.0 has it. */
export function modernTaskPushConfig(value: unknown, path: string): JsonObject {
  const outer = objectAt(value, path)
  const name = field(outer, 'name')
  const named: { taskId?: string; configId?: string } = name === undefined ? {} : readName(name, `${path}.name`)
  const config = modernPushConfig(field(outer, 'pushNotificationConfig'), `${path}.pushNotificationConfig`)
  return { ...compact({ id: named.configId, taskId: field(outer, 'taskId') ?? named.taskId }), ...config }
}

/** A config of 1.0 as the `TaskPushNotificationConfig` of 0.3. */
export function legacyTaskPushConfig(value: unknown, style: LegacyStyle, path: string): JsonObject {
  const config = objectAt(value, path)
  const taskId = String(config.taskId ?? '')
  const pushNotificationConfig = legacyPushConfig(config, path)
  return style === 'kind'
    ? { taskId, pushNotificationConfig }
    : { name: legacyConfigName(taskId, String(config.id ?? '')), pushNotificationConfig }
}
