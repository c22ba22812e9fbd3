/**
 * What does not get from one version to the other. `refused`: the caller is told so. `reduced`: it goes on without it.
 * The documentation has these lists; a test holds the code to the first.
 */
export const losses = {
  refused: [
    { what: 'listing tasks of an agent of 0.3', error: 'unsupportedOperation' },
    { what: 'a tenant, to an agent of 0.3', error: 'unsupportedOperation' },
    { what: 'data that is no object, to an agent of 0.3 over HTTP+JSON or gRPC', error: 'unsupportedOperation' },
    { what: 'a page token for push configs, to an agent of 0.3 over JSON-RPC', error: 'unsupportedOperation' },
    { what: 'more than one page of push configs, to a client of 0.3 over JSON-RPC', error: 'unsupportedOperation' },
    { what: 'a push config without its id, from an agent of 1.0', error: 'unsupportedOperation' },
    { what: 'a task’s id with a slash, to an agent of 0.3 over HTTP+JSON or gRPC', error: 'invalidParams' },
  ],
  reduced: [
    '0.3: of several authentication schemes of a push config the first is kept',
    '0.3: `stateTransitionHistory` of a card, and OAuth flows beside the first, which 1.0 has no place for',
    '0.3: metadata of requests about tasks, but for those that cancel',
    '0.3 over HTTP+JSON or gRPC: metadata, media types and file names of parts, and `referenceTaskIds`',
    '0.3 over HTTP+JSON or gRPC: a history length of 0, which means no limit there',
    '1.0: a subscription begins with the task; one to an agent of 0.3 begins with its next event',
    '0.3: `final` is there where the task’s state is its last, and not where the stream ends for another reason',
    '1.0: the device code flow of OAuth, and where an API key goes other than header, query and cookie',
  ],
} as const
