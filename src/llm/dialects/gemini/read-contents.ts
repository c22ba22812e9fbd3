import type {
  JsonObject,
  Part,
  ReasoningPart,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  Turn,
} from '../../conversation.ts'
import { invalid } from '../../errors.ts'
import {
  at,
  booleanField,
  definedOnly,
  isObject,
  objectField,
  objectList,
  requiredText,
  textField,
  unsupported,
  wordField,
} from '../../fields.ts'
import { OpenCalls } from './open-calls.ts'
import { readProof } from './proof.ts'
import { readFile, readInline } from './read-media.ts'
import { camelFields } from './spelling.ts'

/** Reads `systemInstruction` and `contents` as turns. */
export function readTurns(body: JsonObject): Turn[] {
  const contents = objectList(body, 'contents')
  if (contents.length === 0) throw invalid('contents', 'contents must hold at least one content.')
  const calls = new OpenCalls()
  const turns = readSystem(body)
  contents.forEach(([content, path], index) => {
    const turn = readContent(content, path, index, calls)
    const last = turns.at(-1)
    // A client that collected a stream may send each of its pieces as a content.
    if (turn.role === 'assistant' && last?.role === 'assistant') last.parts.push(...turn.parts)
    else if (turn.parts.length > 0) turns.push(turn)
  })
  for (const turn of turns) if (turn.role === 'assistant') turn.parts = joinPieces(turn.parts)
  return turns
}

function readSystem(body: JsonObject): Turn[] {
  const instruction = objectField(body, 'systemInstruction')
  if (instruction === undefined) return []
  const parts = objectList(instruction, 'parts', 'systemInstruction').flatMap(([part, path]): TextPart[] => {
    const text = textField(part, 'text', path)
    if (text === undefined) throw invalid(at(path, 'text'), `${at(path, 'text')} is required: it holds text only.`)
    return text === '' ? [] : [{ type: 'text', text }]
  })
  return parts.length === 0 ? [] : [{ role: 'system', parts }]
}

/** `function` and `tool` are what some of Google's examples call the role of results. */
const roles = ['user', 'model', 'function', 'tool'] as const

function readContent(content: JsonObject, path: string, index: number, calls: OpenCalls): Turn {
  const role = wordField(content, 'role', roles, path) ?? 'user'
  const parts = objectList(content, 'parts', path).map(([part, place]) => [camelFields(part), place] as const)
  if (role !== 'model') {
    calls.answering()
    return { role: 'user', parts: parts.flatMap(([part, place]) => readUserPart(part, place, calls)) }
  }
  calls.calling()
  return { role: 'assistant', parts: parts.flatMap(([part, place]) => readModelPart(part, place, index, calls)) }
}

function readUserPart(part: JsonObject, path: string, calls: OpenCalls): Part[] {
  const response = objectField(part, 'functionResponse', path)
  if (response) return [readResponse(camelFields(response), at(path, 'functionResponse'), calls)]
  return (
    readMedia(part, path) ?? readText(part, path) ?? fail(part, path, 'text, inlineData, fileData, functionResponse')
  )
}

function readModelPart(part: JsonObject, path: string, index: number, calls: OpenCalls): Part[] {
  const signature = textField(part, 'thoughtSignature', path) ?? ''
  const proof = signature === '' ? undefined : readProof(signature)
  const call = objectField(part, 'functionCall', path)
  if (call) return [readCall(camelFields(call), at(path, 'functionCall'), proof, index, calls)]
  const media = readMedia(part, path)
  if (media) return media
  const text = readText(part, path) ?? (signature === '' ? fail(part, path, 'text, functionCall, inlineData') : [])
  if (booleanField(part, 'thought', path)) {
    const thought: ReasoningPart = { type: 'reasoning', text: text[0]?.text ?? '' }
    return [proof ? { ...thought, [proof.kind]: proof.opaque } : thought]
  }
  // As in answer.ts: the signature of a visible text is a reasoning part without text right before it.
  if (proof) return [{ type: 'reasoning', text: '', [proof.kind]: proof.opaque }, ...text]
  return text
}

/** @returns the part's text, none where it is empty; undefined where the part is not one of text */
function readText(part: JsonObject, path: string): TextPart[] | undefined {
  const text = textField(part, 'text', path)
  if (text === undefined) return undefined
  return text === '' ? [] : [{ type: 'text', text }]
}

function readMedia(part: JsonObject, path: string): Part[] | undefined {
  const inline = objectField(part, 'inlineData', path)
  if (inline) return [readInline(inline, at(path, 'inlineData'))]
  const file = objectField(part, 'fileData', path)
  return file && [readFile(file, at(path, 'fileData'))]
}

/** @throws {ApiError} 400 for a part of a kind that cannot stand here */
function fail(part: JsonObject, path: string, allowed: string): never {
  const kind = Object.keys(part).find((key) => isObject(part[key]))
  if (kind === undefined) throw invalid(path, `${path} must hold one of ${allowed}.`)
  throw unsupported(
    at(path, kind),
    `${at(path, kind)}: the provider behind this model takes nothing of this kind here, only ${allowed}. Leave it out or choose a Gemini model.`,
  )
}

function readCall(
  call: JsonObject,
  path: string,
  proof: ReturnType<typeof readProof>,
  index: number,
  calls: OpenCalls,
): ToolCallPart {
  const name = requiredText(call, 'name', path)
  const text = JSON.stringify(objectField(call, 'args', path) ?? {})
  return definedOnly<ToolCallPart>({
    type: 'tool_call',
    id: calls.called(textField(call, 'id', path), name, text, index),
    name,
    arguments: text,
    signature: proof?.kind === 'signature' ? proof.opaque : undefined,
  })
}

function readResponse(answer: JsonObject, path: string, calls: OpenCalls): ToolResultPart {
  const name = requiredText(answer, 'name', path)
  const id = calls.answered(textField(answer, 'id', path), name)
  if (id === undefined)
    throw invalid(
      path,
      `${path}: the content of the model before it has no open call of ${name.slice(0, 100)}. Send the content with the call as well.`,
    )
  const response = objectField(answer, 'response', path) ?? {}
  const media = objectList(answer, 'parts', path).flatMap(([part, place]) => {
    const [read] = readMedia(camelFields(part), place) ?? fail(part, place, 'inlineData, fileData')
    if (read?.type === 'image' || read?.type === 'document') return [read]
    throw unsupported(place, `${place}: the provider behind this model takes images and documents as results only.`)
  })
  return {
    type: 'tool_result',
    id,
    name,
    content: [{ type: 'text', text: resultText(response) }, ...media],
    ...(isFailure(response) && { isError: true }),
  }
}

function isFailure(response: JsonObject): boolean {
  return response.error !== undefined && response.output === undefined
}

/** `output` and `error` are the keys the API gives a meaning; without them the whole object is the output. */
function resultText(response: JsonObject): string {
  const keys = Object.keys(response)
  const value = keys.length === 1 && (keys[0] === 'output' || keys[0] === 'error') ? response[keys[0]] : response
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/**
 * An answer that was streamed comes back in pieces: texts that follow each other are one, as are thoughts up to the
 * piece that proves them.
 */
function joinPieces(parts: readonly Part[]): Part[] {
  const joined: Part[] = []
  for (const part of parts) {
    const last = joined.at(-1)
    if (part.type === 'text' && last?.type === 'text') joined[joined.length - 1] = textPart(last.text + part.text)
    else if (part.type === 'reasoning' && last?.type === 'reasoning' && !isProven(last))
      joined[joined.length - 1] = { ...part, text: last.text + part.text }
    else joined.push(part)
  }
  return joined.filter((part) => part.type !== 'reasoning' || part.text !== '' || isProven(part))
}

function isProven({ signature, redacted }: ReasoningPart): boolean {
  return signature !== undefined || redacted !== undefined
}

function textPart(text: string): TextPart {
  return { type: 'text', text }
}
