/** What a path of Google's API says. */
export type GeminiPath =
  /** The list of models, or one of them. */
  | { method: undefined; model: string | undefined }
  /** A method of a model, or an empty one where Google has something else there. */
  | { method: string; model: string }

/** Longer than any model's name, and than any method's. */
const longest = 4096

/**
 * Takes a path of Google's API apart: `/v1beta/models`, `/v1beta/models/MODEL`, `/v1beta/models/MODEL:METHOD`. The name
 * goes to the last colon, so that it may hold some itself (`llama3:8b`), and slashes.
 *
 * Under /v1 the list is OpenAI's, so only methods are Google's there; they are asked for with POST.
 *
 * @param path without query
 * @returns undefined where the path is none of these
 */
export function geminiPath(path: string, verb: string): GeminiPath | undefined {
  const [, version, rest] = /^\/(v1beta|v1)(?:\/(.*))?$/s.exec(path) ?? []
  if (version === undefined || (version === 'v1' && !(verb === 'POST' && rest?.startsWith('models/')))) return undefined
  if (rest === 'models' || rest === 'models/') return { method: undefined, model: undefined }
  if (!rest?.startsWith('models/') || rest.length > longest) return { method: '', model: '' }
  const name = rest.slice('models/'.length)
  if (verb === 'GET') return { method: undefined, model: decode(name) }
  const colon = name.lastIndexOf(':')
  if (colon === -1) return { method: undefined, model: decode(name) }
  return { method: name.slice(colon + 1), model: decode(name.slice(0, colon)) }
}

/** A name that cannot be decoded stays as it stands; no model has one like it. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
