import { isObject } from '../../json.ts'
import { McpError } from '../errors.ts'
import type { Routed } from '../federation.ts'
import type { JsonObject } from '../protocol.ts'
import type { Standing } from './approvals.ts'

/** A human's approval of a call: what is asked, and what counts as one. */

const longestShown = 2_000

/** The parameters of the elicitation (schema: ElicitRequestFormParams). */
export function approvalRequest({ server, name, tool, params }: Routed): JsonObject {
  const args = JSON.stringify(params.arguments ?? {}, null, 2)
  const shown = args.length > longestShown ? `${args.slice(0, longestShown)}… (${args.length} characters)` : args
  const title = tool?.annotations?.title ?? tool?.title
  return {
    mode: 'form',
    message: `The tool ${visible(name)}${title === undefined ? '' : ` (${visible(String(title).slice(0, 100))})`} of ${server.name} is about to be called with\n${visible(shown)}\nThe rules of this gateway want a human to approve it.`,
    requestedSchema: {
      type: 'object',
      properties: { approve: { type: 'boolean', title: 'Approve this call', default: false } },
      required: ['approve'],
    },
  }
}

/** What could hide or reorder text is shown by its code. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\u2028\u2029]/gu, (character) =>
    character === '\n' ? character : `\\u{${character.codePointAt(0)!.toString(16)}}`,
  )
}

/** The parameters of the elicitation that leads to the page (schema: ElicitRequestURLParams). */
export function pageRequest({ server, name }: Routed, { id, url }: { id: string; url: string }): JsonObject {
  return {
    mode: 'url',
    elicitationId: id,
    url,
    message: `A human must approve the call of ${visible(name)} of ${server.name}. Open the page to decide; the call goes on then.`,
  }
}

/** For clients that can show no page: the link is in the message, and the call is to be made again. */
export function approveElsewhere(routed: Routed, url: string): McpError {
  return refused(
    routed,
    `Open ${url} to decide, and call it again when that is done. The page is good for 15 minutes.`,
    'approval_needed',
    { url },
  )
}

/** The user did not want to see the page. */
export function notOpened(routed: Routed): McpError {
  return refused(routed, 'It was not approved.', 'not_approved')
}

/** What came of it on the page. @returns who approved it @throws {McpError} where it is no approval */
export function mustBeApproved(routed: Routed, standing: Standing | undefined): string {
  if (standing?.state === 'approved') return standing.by
  throw standing?.state === 'denied'
    ? refused(routed, 'It was denied.', 'not_approved')
    : refused(routed, 'Nobody has decided yet: call it again.', 'approval_needed')
}

/** @throws {McpError} where the answer is no approval */
export function mustApprove(routed: Routed, answer: JsonObject): void {
  if (answer.action === 'accept' && isObject(answer.content) && answer.content.approve === true) return
  throw refused(routed, 'It was not approved.', 'not_approved')
}

/** The client cannot be asked. */
export function cannotAsk(routed: Routed): McpError {
  return refused(routed, 'Your client cannot ask for it: it does not support elicitation by form.', 'approval_needed')
}

function refused({ server, name }: Routed, why: string, reason: string, data?: JsonObject): McpError {
  return new McpError(200, -32003, `A human must approve calls of ${name} of ${server.name}. ${why}`, {
    reason,
    ...(data && { data }),
    rule: `mcp.servers.${server.name}.approval`,
    target: { server: server.name, name },
  })
}
