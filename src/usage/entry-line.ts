import { type DecisionEntry, type Entry, isUsage } from './entry.ts'
import type { TreeCall } from './tree-call.ts'

/**
 * Entries as they are in files and go to Redis: a line each, `+` before the JSON of one that counts as usage, `-` before that of any
 * other; behind it, where the request is part of a tree of delegations, a tab and the call as that tree has it. JSON holds neither
 * line's ends nor tabs, so nothing has to be read to take lines apart.
 *
 * A line is written for each request, and by hand: that takes half the time of JSON.stringify.
 */
export function lineOf(entry: Entry, call?: TreeCall): string {
  const tree = call ? `\t${JSON.stringify(call)}` : ''
  const { requestId, time, operation, model, identity, listener, status, revision, rules, attempts } = entry
  const decision = `{"requestId":${quoted(requestId)},"time":${time},"operation":${quoted(operation)},"model":${quoted(model)},"identity":${quoted(identity)}${whoOf(entry)},"listener":${quoted(listener)},"status":${status}${member('code', entry.code)}${member('rule', entry.rule)}${member('downgraded', entry.downgraded)}${member('asked', entry.asked)}${revision === undefined ? '' : `,"revision":${revision}`}${list('rules', rules)}${list('attempts', attempts)}`
  if (!isUsage(entry)) return `-${decision}}${tree}\n`
  const { input, output, cached, reasoning, nanoUsd, estimated } = entry
  return `+${decision}${member('provider', entry.provider)}${member('targetModel', entry.targetModel)},"input":${input},"output":${output},"cached":${cached},"reasoning":${reasoning},"nanoUsd":${nanoUsd}${estimated ? ',"estimated":true' : ''}${member('traceId', entry.traceId)}}${tree}\n`
}

function whoOf({ subject, organization, team, user, key }: DecisionEntry): string {
  return `${member('subject', subject)}${member('organization', organization)}${member('team', team)}${member('user', user)}${member('key', key)}`
}

function member(name: string, value: string | undefined): string {
  return value === undefined ? '' : `,"${name}":${quoted(value)}`
}

function list(name: string, values: readonly string[] | undefined): string {
  if (values === undefined) return ''
  let text = ''
  for (const value of values) text += text === '' ? quoted(value) : `,${quoted(value)}`
  return `,"${name}":[${text}]`
}

/** Anything but printable ASCII, and what JSON escapes of that. */
const special = /["\\]|[^ -~]/

function quoted(text: string): string {
  return special.test(text) ? JSON.stringify(text) : `"${text}"`
}

/** @returns undefined for a line that is none, such as one that a crash cut off; without its line's end */
export function readLine(line: string): Entry | undefined {
  if (line[0] !== '+' && line[0] !== '-') return undefined
  const tab = line.indexOf('\t')
  return parsed(tab === -1 ? line.slice(1) : line.slice(1, tab)) as Entry | undefined
}

/** @returns undefined for a line of a request that is part of no tree */
export function callIn(line: string): TreeCall | undefined {
  const tab = line.indexOf('\t')
  return tab === -1 ? undefined : (parsed(line.slice(tab + 1)) as TreeCall | undefined)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
