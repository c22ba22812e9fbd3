import { Role, type SendMessageRequest } from '@a2a-js/sdk'

/** What a client of the official SDK sends: one text. */
export function message(
  text: string,
  more: Partial<NonNullable<SendMessageRequest['message']>> = {},
): SendMessageRequest {
  return {
    tenant: '',
    message: {
      messageId: `m${Math.random()}`,
      contextId: '',
      taskId: '',
      role: Role.ROLE_USER,
      parts: [{ content: { $case: 'text', value: text }, metadata: undefined, filename: '', mediaType: '' }],
      metadata: undefined,
      extensions: [],
      referenceTaskIds: [],
      ...more,
    },
    configuration: undefined,
    metadata: undefined,
  }
}
