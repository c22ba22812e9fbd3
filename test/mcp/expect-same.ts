import { expect, test } from 'vitest'
import { compare, describeDifference, type Reasons } from './compare.ts'
import { type Outcomes, runConformance, type Spec } from './conformance.ts'
import { startNewServer } from './new-server.ts'
import { startOldServer } from './old-server.ts'
import { reasonsFor } from './pairings.ts'
import type { Running } from './serve.ts'
import type { StdioServer } from './stdio.ts'

/** A server as the rules describe one. */
export type ServerRule = { readonly type: 'http'; readonly url: string; readonly prefix: '' } | StdioServer

/** Starts what stands between the suite and the servers. @returns where its MCP endpoint for all of them is */
export type GatewayFor = (servers: Readonly<Record<string, ServerRule>>) => Promise<Running>

/** Starts the reference server of an era. */
export const startReference = (era: 'old' | 'new'): Promise<Running> =>
  era === 'old' ? startOldServer() : startNewServer()

const direct = new Map<Spec, Promise<Outcomes>>()

/** What the suite of a revision says of the reference server of the same era, directly. It is run once a process. */
export function directRun(spec: Spec): Promise<Outcomes> {
  const run = async () => {
    const server = await startReference(spec === '2025-11-25' ? 'old' : 'new')
    try {
      return await runConformance({ url: server.url, spec })
    } finally {
      await server.stop()
    }
  }
  const known = direct.get(spec) ?? run()
  direct.set(spec, known)
  return known
}

/**
 * Defines a test: the suite of a revision comes out, through a gateway and with the reference server of an era behind it, as it
 * does directly with the server of its own era, but for what reasons are given for; and each reason is needed.
 * @param options.gatewayFor gets the reference server as `reference`, without a prefix, and those that are beside it
 * @param options.reasons those of pairings.ts if not said
 * @param options.done gets the outcomes, for a table of them
 */
export function expectSame(
  name: string,
  {
    spec,
    server: era,
    gatewayFor,
    beside = {},
    reasons = reasonsFor(`${spec} → ${era}`),
    done,
  }: {
    spec: Spec
    server: 'old' | 'new'
    gatewayFor: GatewayFor
    beside?: Readonly<Record<string, ServerRule>>
    reasons?: Reasons
    done?: (outcomes: Outcomes) => void
  },
): void {
  test(name, async () => {
    const expected = await directRun(spec)
    const server = await startReference(era)
    try {
      const gateway = await gatewayFor({ reference: { type: 'http', url: server.url, prefix: '' }, ...beside })
      try {
        const outcomes = await runConformance({ url: gateway.url, spec })
        done?.(outcomes)
        const { differences, needless } = compare(expected, outcomes, reasons)
        expect({ differences: differences.map(describeDifference), needless }).toEqual({
          differences: [],
          needless: [],
        })
      } finally {
        await gateway.stop()
      }
    } finally {
      await server.stop()
    }
  }, 120_000)
}
