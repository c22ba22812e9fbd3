import type { JsonObject } from '@bufbuild/protobuf'
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect'
import type { DecisionService } from '#gen/chaperone/v1/usage_pb.js'
import type { DescribedRequest, Step } from '../governance/explain-request.ts'
import { type IdentityKind, isIdentityKind } from '../identity/identity.ts'
import type { KeyRecord } from '../identity/key-record.ts'
import type { KeyStore } from '../identity/key-store.ts'
import type { Books } from '../usage/books.ts'
import type { DecisionEntry } from '../usage/entry.ts'
import { asking } from './usage-service.ts'

/** Says what rules have to do with requests. */
export interface Explainer {
  /** What the rules in force say of a request. */
  request(described: DescribedRequest): Step[]
  /** How it came to a decision that is kept. */
  decision(decision: DecisionEntry): Promise<Step[]>
}

/** What was decided, and what would be; proto/chaperone/v1/usage.proto says what each method does. */
export function decisionService(
  books: Books,
  keys: Pick<KeyStore, 'get'>,
  explainer: Explainer,
): ServiceImpl<typeof DecisionService> {
  return {
    getDecision: ({ requestId }) =>
      asking(async () => {
        const decision = await books.decision(requestId)
        if (!decision)
          throw new ConnectError('There is no decision about this request, or it is too old.', Code.NotFound)
        return { decision: shown(decision), steps: (await explainer.decision(decision)).map(step) }
      }),
    listDecisions: ({ limit, refusedOnly }) =>
      asking(async () => ({
        decisions: (await books.decisions({ limit: limit > 0 ? Math.min(limit, 1_000) : 100, refusedOnly })).map(shown),
      })),
    explain: (request) =>
      asking(async () => {
        const record = request.key === '' ? undefined : await keys.get(request.key)
        if (request.key !== '' && !record)
          throw new ConnectError(`There is no key ${JSON.stringify(request.key.slice(0, 40))}.`, Code.NotFound)
        const steps = explainer.request(described(request, record))
        return { allowed: !steps.some(({ refuses }) => refuses), steps: steps.map(step) }
      }),
  }
}

interface Asked {
  model: string
  operation: string
  listener: string
  stream: boolean
  kind: string
  key: string
  user: string
  team: string
  organization: string
  claims?: JsonObject | undefined
  parameters?: JsonObject | undefined
  spent: Record<string, number>
  now?: Parameters<typeof timestampMs>[0] | undefined
}

function described(asked: Asked, record: KeyRecord | undefined): DescribedRequest {
  const said = (text: string, otherwise?: string) => (text === '' ? otherwise : text)
  const { stream, claims, parameters, spent, now } = asked
  return {
    model: said(asked.model),
    operation: said(asked.operation),
    listener: said(asked.listener),
    stream,
    kind: kindOf(said(asked.kind, claims ? 'jwt' : 'key')!),
    key: said(asked.key),
    owner: {
      user: said(asked.user, record?.user),
      team: said(asked.team, record?.team),
      organization: said(asked.organization, record?.organization),
      models: record?.models,
    },
    claims,
    parameters,
    spent,
    now: now && new Date(timestampMs(now)),
  }
}

function kindOf(kind: string): IdentityKind {
  if (!isIdentityKind(kind)) throw new ConnectError('kind is that of an identity.', Code.InvalidArgument)
  return kind
}

const step = ({ rule, says, refuses }: Step) => ({ rule, says, refuses: refuses ?? false })

function shown(decision: DecisionEntry) {
  const { time, subject, organization, team, user, key, code, rule, downgraded, asked, revision, rules, attempts } =
    decision
  const { requestId, operation, model, identity, listener, status } = decision
  const text = (value: string | undefined) => value ?? ''
  return {
    ...{ requestId, operation, model, identity, listener, status },
    time: timestampFromMs(time),
    subject: text(subject),
    organization: text(organization),
    team: text(team),
    user: text(user),
    key: text(key),
    code: text(code),
    rule: text(rule),
    downgraded: text(downgraded),
    asked: text(asked),
    revision: BigInt(revision ?? 0),
    rules: [...(rules ?? [])],
    attempts: [...(attempts ?? [])],
  }
}
