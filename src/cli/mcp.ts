import { userInfo } from 'node:os'
import { FilePinStore, pinsFile } from '../mcp/pins/file-pin-store.ts'
import type { PinStore } from '../mcp/pins/pin-store.ts'
import { PinStoreError } from '../mcp/pins/pin-store-error.ts'
import { RedisPinStore } from '../mcp/pins/redis-pin-store.ts'
import { minute, reviewsOf, type ServerReview, type ToolReview, waits } from '../mcp/pins/review.ts'
import { asciiText, safeJson, safeText } from '../mcp/pins/safe-text.ts'
import type { Finding } from '../mcp/pins/scan/finding.ts'
import type { Pin, ServerPins } from '../mcp/pins/server-pins.ts'
import { connectRedis, type RedisClient } from '../store/redis-client.ts'
import { tableOf } from './table.ts'

/**
 * `chaperone mcp …`: approved tools on the command line. Each returns the exit code, as diff(1) does: 0 where nothing waits, 1 where
 * something does, 2 with the reason on standard error where it could not be done. What servers wrote is printed escaped.
 */

export interface McpOptions {
  /** URL of a Redis. */
  store?: string
  tenant: string
  /** The service's directory, where there is no store. */
  state: string
  output: 'text' | 'json'
}

type Write = (text: string) => void
const print: Write = (text) => void process.stdout.write(text)
const complain: Write = (text) => void process.stderr.write(text)
const json = (value: unknown) => `${safeJson(value)}\n`

/** The user asked for something that cannot be; `message` says why. */
class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Shows what of one server, or of all, is not as it was approved. */
export function diffTools(server: string | undefined, options: McpOptions, write = print): Promise<number> {
  return withPins(options, async (store) => {
    const reviews = await reviewed(store, server)
    if (options.output === 'json') write(json({ servers: reviews }))
    else if (reviews.length === 0) write(nothingKnown)
    else for (const review of reviews) write(reviewText(review))
    return reviews.some(({ tools }) => tools.some(waits)) ? 1 : 0
  })
}

/** Lists the servers with how their tools stand, or the tools of one. */
export function listTools(server: string | undefined, options: McpOptions, write = print): Promise<number> {
  return withPins(options, async (store) => {
    const reviews = await reviewed(store, server)
    const pins = server === undefined ? undefined : known(await store.list(), server)
    if (options.output === 'json') write(json(pins ? toolsOf(pins) : { servers: reviews.map(summaryOf) }))
    else if (reviews.length === 0) write(nothingKnown)
    else write(pins ? tableOf(toolRows(pins)) : tableOf(serverRows(reviews)))
    return reviews.some(({ tools }) => tools.some(waits)) ? 1 : 0
  })
}

export interface ApproveOptions extends McpOptions {
  /** All that wait but those with findings of high severity; approved tools that are gone are forgotten. */
  all?: boolean
  message?: string
  /** What `mcp diff` named: approve only if exactly that still waits. */
  shown?: string
}

/** Approves tools of a server as they were last seen. */
export function approveTools(
  server: string,
  tools: readonly string[],
  options: ApproveOptions,
  write = print,
): Promise<number> {
  return withPins(options, async (store) => {
    if ((tools.length === 0) === !options.all) throw new UsageError('Name the tools to approve, or --all: one of both.')
    const [review] = await reviewed(store, server)
    if (options.shown !== undefined && options.shown !== review!.shown)
      throw new UsageError(
        `What waits is not what --shown ${asciiText(options.shown)} stands for: the server has changed it since. Look again: chaperone mcp diff ${server}.`,
      )
    const chosen = options.all ? review!.tools.filter(mayGoUnnamed) : tools.map((tool) => named(review!, tool))
    const left = options.all ? review!.tools.filter((tool) => !mayGoUnnamed(tool)) : []
    const approvals = chosen.filter(waits).map(({ tool, digest }) => ({ tool, digest: digest ?? '' }))
    const gone = chosen.filter((tool) => !waits(tool)).map(({ tool }) => tool)
    const pins = await store.approve(server, approvals, { by: userInfo().username, message: options.message })
    if (gone.length > 0) await store.revoke(server, gone)
    if (options.output === 'json')
      write(json({ server, approved: pins.map(pinOf), forgotten: gone, left: left.map(({ tool }) => tool) }))
    else write(approvedText(server, chosen, left))
    return left.length > 0 ? 1 : 0
  })
}

export interface RevokeOptions extends McpOptions {
  all?: boolean
}

/** Takes approvals back. */
export function revokeTools(
  server: string,
  tools: readonly string[],
  options: RevokeOptions,
  write = print,
): Promise<number> {
  return withPins(options, async (store) => {
    if ((tools.length === 0) === !options.all) throw new UsageError('Name the tools, or --all: one of both.')
    const chosen = options.all ? [...known(await store.list(), server).approved.keys()] : tools
    await store.revoke(server, chosen)
    write(
      options.output === 'json'
        ? json({ server, revoked: chosen })
        : `${chosen.map((tool) => `${asciiText(tool)} is approved no longer.\n`).join('')}`,
    )
    return 0
  })
}

async function reviewed(store: PinStore, server: string | undefined): Promise<ServerReview[]> {
  const all = await store.list()
  if (server !== undefined) known(all, server)
  return reviewsOf(all).filter((review) => server === undefined || review.server === server)
}

function known(all: readonly ServerPins[], server: string): ServerPins {
  const pins = all.find((each) => each.server === server)
  if (pins) return pins
  const names = all.map((each) => each.server).join(', ')
  throw new UsageError(
    `Nothing is known of tools of a server ${asciiText(server)}.${names === '' ? '' : ` Known are: ${names}.`} ${how}`,
  )
}

const how =
  'Tools are noted when somebody lists them at a gateway whose rules say `pins: report` or `pins: quarantine` for their server.'
const nothingKnown = `Nothing is known of any tools. ${how}\n`

/** What has findings of high severity is approved by name only. */
function mayGoUnnamed({ findings }: ToolReview): boolean {
  return !findings.some(({ severity }) => severity === 'high')
}

const onlyByName = 'What has findings of high severity is approved by its name only.'

function named(review: ServerReview, tool: string): ToolReview {
  // A name that cannot be typed is taken as it was shown, where that is one tool's.
  const alike = review.tools.filter((each) => asciiText(each.tool) === tool)
  const found = review.tools.find((each) => each.tool === tool) ?? (alike.length === 1 ? alike[0] : undefined)
  if (found) return found
  const waiting = review.tools.map((each) => asciiText(each.tool)).join(', ')
  throw new UsageError(
    `No tool ${asciiText(tool)} of the server ${review.server} waits to be approved.${waiting === '' ? '' : ` These do: ${waiting}.`}`,
  )
}

function reviewText(review: ServerReview): string {
  const { server, unchanged, tools, shown } = review
  const count = tools.filter(waits).length
  const head = `${server}: ${unchanged} as approved, ${count} ${count === 1 ? 'waits' : 'wait'}\n`
  const byName = tools.some((tool) => waits(tool) && !mayGoUnnamed(tool)) ? `${onlyByName}\n` : ''
  const approve =
    count > 0 ? `Approve what is shown: chaperone mcp approve ${server} --all --shown ${shown}\n${byName}\n` : ''
  return `${head}${tools.map((tool) => `\n${toolText(tool)}`).join('')}${tools.length > 0 ? '\n' : ''}${approve}`
}

function toolText({ tool, change, digest, waiting, approved, findings, diff }: ToolReview): string {
  const when = waiting
    ? `first seen ${minute(waiting.firstSeenAt)}`
    : `missing since ${minute(approved?.missingSince ?? 0)}`
  return `${asciiText(tool)}  ${change}  ${digest === undefined ? '' : `${short(digest)}  `}${when}\n${findings.map(findingText).join('')}${diff}`
}

function findingText({ severity, kind, where, message, excerpt }: Finding): string {
  const shown = excerpt === '' ? '' : `\n          ${excerpt}`
  return `  ${severity.padEnd(6)}  ${kind}: ${message}  ${where}${shown}\n`
}

function approvedText(server: string, chosen: readonly ToolReview[], left: readonly ToolReview[]): string {
  const lines = chosen.map((review) => {
    const { tool, digest, findings } = review
    if (!waits(review)) return `${asciiText(tool)} is gone from ${server}, and forgotten.\n`
    return `${asciiText(tool)} is approved as ${short(digest ?? '')}.\n${findings.map(findingText).join('')}`
  })
  const rest = left.map(
    ({ tool, findings }) => `${asciiText(tool)} still waits.\n${findings.map(findingText).join('')}`,
  )
  const hint = left.length > 0 ? `${onlyByName}\n` : ''
  const nothing = chosen.length + left.length === 0 ? `No tool of the server ${server} waits.\n` : ''
  return `${lines.join('')}${rest.join('')}${hint}${nothing}`
}

function summaryOf({ server, unchanged, tools, shown }: ServerReview) {
  const counted = (change: ToolReview['change']) => tools.filter((tool) => tool.change === change).length
  const [worst] = tools.flatMap(({ findings }) => findings.map(({ severity }) => severity)).sort(bySeverityName)
  return {
    server,
    unchanged,
    new: counted('new'),
    changed: counted('changed'),
    removed: counted('removed'),
    shown,
    ...(worst && { worst }),
  }
}

const severities: readonly Finding['severity'][] = ['high', 'medium', 'low']
const bySeverityName = (a: Finding['severity'], b: Finding['severity']) => severities.indexOf(a) - severities.indexOf(b)

function serverRows(reviews: readonly ServerReview[]): string[][] {
  const rows = reviews
    .map(summaryOf)
    .map((each) => [
      each.server,
      String(each.unchanged),
      String(each.new),
      String(each.changed),
      String(each.removed),
      each.worst ?? '',
    ])
  return [['SERVER', 'AS APPROVED', 'NEW', 'CHANGED', 'REMOVED', 'WORST FINDING'], ...rows]
}

function toolsOf({ server, approved, waiting }: ServerPins) {
  const names = [...new Set([...approved.keys(), ...waiting.keys()])].sort()
  return {
    server,
    tools: names.map((tool) => {
      const [pin, other] = [approved.get(tool), waiting.get(tool)]
      const state = other ? (pin ? 'changed' : 'new') : pin?.missingSince === undefined ? 'approved' : 'removed'
      return { tool, state, ...(pin && { approved: pinOf(pin) }), ...(other && { waiting: other.digest }) }
    }),
  }
}

function toolRows(pins: ServerPins): string[][] {
  const rows = toolsOf(pins).tools.map(({ tool, state, approved, waiting }) => [
    asciiText(tool),
    state,
    short(waiting ?? approved?.digest ?? ''),
    approved ? `${minute(approved.approvedAt)} by ${safeText(approved.approvedBy)}` : '',
    safeText(approved?.message ?? ''),
  ])
  return [['TOOL', 'STATE', 'DIGEST', 'APPROVED', 'WHY'], ...rows]
}

/** A pin without its definition. */
function pinOf({ tool, digest, approvedBy, approvedAt, message }: Pin) {
  return { tool, digest, approvedBy, approvedAt, ...(message !== undefined && { message }) }
}

const short = (digest: string) => digest.slice(0, 12)

async function withPins(options: McpOptions, use: (store: PinStore) => Promise<number>): Promise<number> {
  let client: RedisClient | undefined
  let store: PinStore | undefined
  // What goes wrong is thrown by what is asked for.
  const report = () => undefined
  try {
    if (options.store !== undefined) {
      client = connectRedis(options.store, report)
      store = await RedisPinStore.open(client, { tenant: options.tenant, report })
    } else store = await FilePinStore.open(pinsFile(options.state), { report })
    return await use(store)
  } catch (error) {
    if (!(error instanceof PinStoreError || error instanceof UsageError || error instanceof RangeError)) throw error
    complain(`${error.message}\n`)
    return 2
  } finally {
    await store?.close()
    client?.disconnect()
  }
}
