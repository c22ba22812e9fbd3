import type { Reasons } from './compare.ts'
import type { Spec } from './conformance.ts'

/** A suite, and the era of the server behind the gateway. */
export type Pairing = `${Spec} → ${'old' | 'new'}`

/** What a scenario can mean where something stands between the suite and the server. */
export interface Meaning {
  /** What it shows of the gateway. */
  readonly shows: string
  /** Why it, or single checks of it by their ids, cannot come out as they do directly. */
  readonly not?: string | Readonly<Record<string, string>>
}

const lists = 'the lists of the server reach the client in the form of its era'
const content = 'content reaches the client as it is; the result gets or loses resultType'
const asksForwards =
  "the server's request reaches the client as an input request, and the answer reaches the waiting call"
const asksBackwards =
  'each input request reaches the client as a request, and the server is called again with the answers'
const noTasks = 'a server without the tasks extension is not made to seem to have it; directly it fails the same checks'
const jsonAnswer =
  'the gateway answers with JSON where nothing comes before the result, so there is no stream to look at'
const polling = 'a stream that the server ends early ends for the client too, which comes again for the rest'
const noEarlyEnd =
  'a server of the new era cannot end a stream before its answer, so that there is nothing to come again for'
const noKeys =
  "the suite insists on the key `user_name`; a server of the old era gives its requests no keys, so that the key is the gateway's own"

/** What does not depend on the era of the server. */
const oldSuite: Readonly<Record<string, Meaning>> = {
  'server-initialize': { shows: 'the gateway answers the handshake and gives an id of visible ASCII' },
  'server-session-lifecycle': { shows: 'sessions can be ended, and are gone then' },
  'logging-set-level': {
    shows: 'the level is taken, for each request of the session where the server has no sessions',
  },
  ping: { shows: 'the gateway answers it, whatever the server can do' },
  'completion-complete': { shows: 'the reference of the completion is found among the servers' },
  'tools-list': { shows: lists },
  'tools-call-simple-text': { shows: content },
  'tools-call-image': { shows: content },
  'tools-call-audio': { shows: content },
  'tools-call-embedded-resource': { shows: content },
  'tools-call-mixed-content': { shows: content },
  'tools-call-with-logging': { shows: 'log messages reach the client on the stream of the call' },
  'tools-call-error': { shows: 'a failed tool is a result, not an error of the protocol' },
  'tools-call-with-progress': { shows: 'progress reaches the client with its own token, in order' },
  'tools-call-sampling': { shows: asksBackwards },
  'tools-call-elicitation': { shows: asksBackwards },
  'elicitation-sep1034-defaults': { shows: `${asksBackwards}; the schema is not changed` },
  'elicitation-sep1330-enums': { shows: `${asksBackwards}; the schema is not changed` },
  'json-schema-2020-12': { shows: "every keyword of a tool's schema reaches the client" },
  'server-sse-multiple-streams': {
    shows: 'a session takes several calls at once',
    not: { 'server-sse-streams-functional': jsonAnswer },
  },
  'server-sse-polling': { shows: polling },
  'resources-list': { shows: lists },
  'resources-read-text': { shows: content },
  'resources-read-binary': { shows: content },
  'resources-templates-read': { shows: 'a URI of a template is found among the servers' },
  'resources-subscribe': { shows: 'a subscription is taken, and kept by listening where the server has no sessions' },
  'resources-unsubscribe': { shows: 'a subscription is ended' },
  'prompts-list': { shows: lists },
  'prompts-get-simple': { shows: content },
  'prompts-get-with-args': { shows: 'arguments reach the prompt as they are' },
  'prompts-get-embedded-resource': { shows: content },
  'prompts-get-with-image': { shows: content },
  'dns-rebinding-protection': { shows: 'the gateway refuses foreign hosts and origins itself' },
}

const newSuite: Readonly<Record<string, Meaning>> = {
  'server-stateless': {
    shows: 'the gateway checks _meta, headers and revisions itself, answers server/discover, and serves subscriptions',
  },
  'completion-complete': { shows: 'the reference of the completion is found among the servers' },
  'tools-list': { shows: lists },
  'tools-call-simple-text': { shows: content },
  'tools-call-image': { shows: content },
  'tools-call-audio': { shows: content },
  'tools-call-embedded-resource': { shows: content },
  'tools-call-mixed-content': { shows: content },
  'tools-call-error': { shows: 'a failed tool is a result, not an error of the protocol' },
  'tools-call-with-progress': { shows: 'progress reaches the client on the stream of its call' },
  'server-sse-multiple-streams': { shows: 'calls do not wait for each other' },
  'resources-list': { shows: lists },
  'resources-read-text': { shows: content },
  'resources-read-binary': { shows: content },
  'resources-templates-read': { shows: 'a URI of a template is found among the servers' },
  'sep-2164-resource-not-found': { shows: "the old era's -32002 becomes -32602, with the URI" },
  'prompts-list': { shows: lists },
  'prompts-get-simple': { shows: content },
  'prompts-get-with-args': { shows: 'arguments reach the prompt as they are' },
  'prompts-get-embedded-resource': { shows: content },
  'prompts-get-with-image': { shows: content },
  'dns-rebinding-protection': { shows: 'the gateway refuses foreign hosts and origins itself' },
  caching: { shows: 'every list and resource carries hints; those of a server of the old era are from the rules' },
  'input-required-result-basic-elicitation': { shows: asksForwards },
  'input-required-result-basic-sampling': { shows: asksForwards },
  'input-required-result-basic-list-roots': { shows: asksForwards },
  'input-required-result-request-state': { shows: 'the state comes back to who minted it' },
  'input-required-result-multiple-input-requests': {
    shows: 'requests that a server sends at once are asked at once; input requests stay together',
  },
  'input-required-result-multi-round': { shows: 'each round has a state of its own' },
  'input-required-result-missing-input-response': { shows: 'what was not answered is asked again' },
  'input-required-result-non-tool-request': { shows: 'a prompt can ask as well' },
  'input-required-result-result-type': { shows: 'resultType is always there' },
  'input-required-result-unsupported-methods': { shows: 'lists never ask' },
  'input-required-result-tampered-state': { shows: 'the gateway finds a changed state: it has sealed it' },
  'input-required-result-capability-check': {
    shows: "the server knows of the client's capabilities, and of no others",
  },
  'input-required-result-ignore-extra-params': { shows: 'answers that nobody asked for are passed over' },
  'input-required-result-validate-input': { shows: 'answers of a wrong form are refused or asked for again' },
  'json-schema-2020-12': { shows: "every keyword of a tool's schema reaches the client" },
  'http-header-validation': { shows: 'the gateway checks Mcp-Method and Mcp-Name itself' },
  'http-custom-header-server-validation': {
    shows: 'the gateway checks Mcp-Param headers against the schema of the tool',
  },
  'tasks-lifecycle': { shows: noTasks },
  'tasks-capability-negotiation': { shows: noTasks },
  'tasks-wire-fields': { shows: noTasks },
  'tasks-request-state-removal': { shows: noTasks },
  'tasks-mrtr-input': { shows: noTasks },
  'tasks-request-headers': { shows: noTasks },
  'tasks-dispatch-and-envelope': { shows: noTasks },
  'tasks-status-notifications': { shows: noTasks },
  'tasks-required-task-error': { shows: noTasks },
  'tasks-mrtr-composition': { shows: noTasks },
}

/** Every scenario of the suites in every pairing. */
export const pairings: Readonly<Record<Pairing, Readonly<Record<string, Meaning>>>> = {
  '2025-11-25 → old': oldSuite,
  '2025-11-25 → new': { ...oldSuite, 'server-sse-polling': { shows: polling, not: noEarlyEnd } },
  '2026-07-28 → new': newSuite,
  '2026-07-28 → old': {
    ...newSuite,
    'input-required-result-basic-elicitation': { shows: asksForwards, not: noKeys },
    'input-required-result-ignore-extra-params': {
      shows: 'a first call with answers is a first call',
      not: {
        'sep-2322-ignore-unexpected-params': `${noKeys}, and the suite answers before it was asked: there is no call that waits`,
      },
    },
  },
}

/** What `compare` takes: why scenarios or checks of a pairing cannot come out as they do directly. */
export function reasonsFor(pairing: Pairing): Reasons {
  return Object.fromEntries(
    Object.entries(pairings[pairing]).flatMap(([scenario, { not }]): [string, string][] => {
      if (not === undefined) return []
      if (typeof not === 'string') return [[scenario, not]]
      return Object.entries(not).map(([check, reason]) => [`${scenario}/${check}`, reason])
    }),
  )
}
