import type { HostApi } from './catalogue.ts'

/** Paths of makers' own hosts, as the paths that the gateway serves. */

const openaiApi = /^\/(?:chat\/completions|completions|embeddings|responses|models(?:\/.*)?)$/
const anthropicApi = /^\/v1\/(?:messages|messages\/count_tokens|models(?:\/.*)?)$/
const geminiApi = /^\/v1(?:beta|alpha)?(\/models(?:\/.*)?)$/
const geminiOpenai = /^\/v1beta\/openai(\/.*)$/
const vertexModel = /^\/v1(?:beta1)?\/projects\/[^/]+\/locations\/[^/]+\/publishers\/google(\/models\/[^/]+)$/
const vertexOpenai = /^\/v1(?:beta1)?\/projects\/[^/]+\/locations\/[^/]+\/endpoints\/openapi(\/.*)$/
const azureDeployment = /^\/openai\/deployments\/[^/]+\/(?:chat\/completions|completions|embeddings)$/

/**
 * @param path without query
 * @param bases what stands before the paths of OpenAI's API
 * @returns the gateway's own path for the same call; undefined where the path is none of an API that it serves
 */
export function apiPath(api: HostApi, bases: readonly string[], path: string): string | undefined {
  switch (api) {
    case 'openai':
      return openai(bases, path)
    case 'anthropic':
      return below(bases, path, (rest) => (anthropicApi.test(rest) ? rest : undefined))
    case 'gemini': {
      const compatible = geminiOpenai.exec(path)?.[1]
      if (compatible !== undefined) return openai([''], compatible)
      const rest = geminiApi.exec(path)?.[1]
      return rest === undefined ? undefined : `/v1beta${rest}`
    }
    case 'vertex': {
      const compatible = vertexOpenai.exec(path)?.[1]
      if (compatible !== undefined) return openai([''], compatible)
      const rest = vertexModel.exec(path)?.[1]
      return rest === undefined ? undefined : `/v1beta${rest}`
    }
    case 'azure-openai':
      if (azureDeployment.test(path)) return path
      if (path.startsWith('/anthropic/')) return apiPath('anthropic', ['/anthropic'], path)
      return openai(['/openai/v1'], path)
    case 'bedrock':
      return openai(['/openai/v1'], path)
  }
}

function openai(bases: readonly string[], path: string): string | undefined {
  return below(bases, path, (rest) => (openaiApi.test(rest) ? `/v1${rest}` : undefined))
}

function below(bases: readonly string[], path: string, map: (rest: string) => string | undefined): string | undefined {
  for (const base of bases) {
    const mapped = path.startsWith(`${base}/`) ? map(path.slice(base.length)) : undefined
    if (mapped !== undefined) return mapped
  }
  return undefined
}
