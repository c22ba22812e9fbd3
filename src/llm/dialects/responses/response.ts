import type { JsonObject, Usage } from '../../conversation.ts'
import type { AnswerContext } from '../../dialect.ts'
import { objectOf, objectsOf } from '../../fields.ts'
import type { Ending } from './finish.ts'
import { responseId } from './ids.ts'
import { writeUsage } from './usage.ts'

/** What a Response object says beyond what the request did. */
export interface ResponseState {
  id: string
  created: number | undefined
  status: Ending['status'] | 'in_progress'
  incomplete_details?: Ending['incomplete_details']
  error?: { code: string; message: string }
  output: readonly JsonObject[]
  usage?: Usage | undefined
}

/**
 * A whole Response object (the SDK's `Response`). It repeats the request, with the API's defaults where the client
 * left them to it, and null where the provider's own are not known. Nothing is ever stored.
 */
export function responseObject(state: ResponseState, context: AnswerContext): JsonObject {
  const { request } = context
  const reasoning = objectOf(request.reasoning)
  return {
    id: responseId(state.id, context),
    object: 'response',
    created_at: state.created ?? context.created,
    status: state.status,
    background: false,
    error: state.error ?? null,
    incomplete_details: state.incomplete_details ?? null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    max_tool_calls: request.max_tool_calls ?? null,
    metadata: request.metadata ?? {},
    model: context.model,
    output: state.output,
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    previous_response_id: null,
    prompt_cache_key: request.prompt_cache_key ?? null,
    reasoning: { effort: reasoning.effort ?? null, summary: reasoning.summary ?? reasoning.generate_summary ?? null },
    safety_identifier: request.safety_identifier ?? null,
    service_tier: request.service_tier ?? null,
    store: false,
    temperature: request.temperature ?? null,
    text: { format: { type: 'text' }, ...objectOf(request.text) },
    tool_choice: request.tool_choice ?? 'auto',
    tools: objectsOf(request.tools),
    top_logprobs: request.top_logprobs ?? 0,
    top_p: request.top_p ?? null,
    truncation: request.truncation ?? 'disabled',
    usage: writeUsage(state.usage),
    user: request.user ?? null,
  }
}
