import type { ProviderRuleOf } from '../../config/schema.ts'
import type { JsonObject } from '../conversation.ts'
import { type AwsCredentialSource, awsCredentials } from './aws-credentials.ts'
import { AwsSigner } from './aws-signature.ts'
import { hostLabel, parseEndpoint } from './endpoint.ts'
import { secretHeader } from './headers.ts'
import { modelSegment } from './model-path.ts'
import { pick } from './pick.ts'
import type { ClientHeaders, EmbeddingApi, Provider, Route, Secrets } from './provider.ts'
import { standardQuirks } from './quirks.ts'

/**
 * AWS Bedrock: every chat API becomes Converse or ConverseStream; embeddings are InvokeModel in the model's own form.
 * A model is an id, an inference profile's id or an ARN; an ARN is one path segment, its slashes and colons encoded
 * (vercel/ai#17523: with literal slashes Bedrock answers 200 and UnknownOperationException).
 *
 * Claude's beta flags travel in `additionalModelRequestFields.anthropic_beta`. Bedrock refuses any it does not know for
 * the model, so of the client's anthropic-beta only those stay that change an answer without any field of the
 * request's body (`betas` below); a body that relies on another flag is refused for the field itself.
 *
 * @param source for tests; otherwise the rule's keys, profile or AWS's default chain
 * @throws {RangeError} where the rule cannot be carried out; the message names the field
 */
export function bedrock(
  name: string,
  rule: ProviderRuleOf<'bedrock'>,
  secrets: Secrets,
  source: AwsCredentialSource = awsCredentials(name, rule, secrets),
): Provider {
  const region = hostLabel(name, 'region', rule.region)
  const { path, ...address } = parseEndpoint(name, rule.baseUrl ?? `https://${bedrockHost(region)}`)
  const { apiKey } = rule
  const signer = new AwsSigner(region, 'bedrock', source)
  return {
    name,
    type: 'bedrock',
    ...address,
    quirks: standardQuirks,
    route(operation, model, stream) {
      const id = operation === 'count_tokens' ? countedModel(model) : model
      const segment = modelSegment(id)
      if (segment === undefined) return undefined
      const at = `${path}/model/${segment}`
      if (operation === 'count_tokens')
        return { operation, dialect: 'converse', path: `${at}/count-tokens`, model, shaped: true }
      if (operation === 'embeddings') {
        const dialect = embeddingApi(model)
        return dialect && { operation, dialect, path: `${at}/invoke`, model }
      }
      return {
        operation,
        dialect: 'converse',
        path: `${at}/${stream ? 'converse-stream' : 'converse'}`,
        model,
        shaped: true,
      }
    },
    shape,
    authorize(request) {
      if (apiKey === undefined) return signer.sign(request)
      request.headers.authorization = `Bearer ${secretHeader(name, apiKey, secrets)}`
    },
  }
}

/** https://docs.aws.amazon.com/general/latest/gr/bedrock.html */
function bedrockHost(region: string): string {
  return `bedrock-runtime.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
}

/**
 * CountTokens knows foundation models only; the profile that routes to one counts as it does.
 * An application inference profile does not tell its model: it goes as it is.
 */
function countedModel(model: string): string {
  const profile = /^arn:[^/]*:inference-profile\/(.*)$/s.exec(model)?.[1] ?? model
  return profile.replace(/^(?:us-gov|us|eu|apac|jp|au|ca|global)\./, '')
}

/** The form of an embedding model's InvokeModel, from its id, its inference profile's id or the end of its ARN. */
function embeddingApi(model: string): EmbeddingApi | undefined {
  if (/(?:^|[./])amazon\.titan-embed-/.test(model)) return 'titan-embeddings'
  if (/(?:^|[./])cohere\.embed-/.test(model)) return 'cohere-embeddings'
  return undefined
}

/** Beta flags that Bedrock knows and that need no field of their own, with the models that accept them. */
const betas: Readonly<Record<string, RegExp>> = {
  'interleaved-thinking-2025-05-14': /claude-(?:opus|sonnet)-4/,
  'context-1m-2025-08-07': /claude-sonnet-4-(?:20250514|5-)/,
}

/** What CountTokens takes of a Converse request. */
const counted = ['messages', 'system', 'toolConfig', 'additionalModelRequestFields']

function shape(body: JsonObject, route: Route, client: ClientHeaders = {}): JsonObject {
  if (route.dialect !== 'converse') return body
  const shaped = withBetas(body, route.model ?? '', client['anthropic-beta'])
  return route.operation === 'count_tokens' ? { input: { converse: pick(shaped, counted) } } : shaped
}

function withBetas(body: JsonObject, model: string, header: string | undefined): JsonObject {
  const asked = header?.split(',').map((flag) => flag.trim()) ?? []
  const known = asked.filter((flag) => Object.hasOwn(betas, flag) && betas[flag]!.test(model))
  if (known.length === 0) return body
  const fields = body.additionalModelRequestFields as JsonObject | undefined
  const present = Array.isArray(fields?.anthropic_beta) ? fields.anthropic_beta : []
  return {
    ...body,
    additionalModelRequestFields: { ...fields, anthropic_beta: [...new Set([...present, ...known])] },
  }
}
