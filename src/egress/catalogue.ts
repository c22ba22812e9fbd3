/** Where the makers of models are in public, so that calls of agents to them are known for what they are. */

/** The API that a host speaks, as far as its paths go. */
export type HostApi = 'openai' | 'anthropic' | 'gemini' | 'vertex' | 'azure-openai' | 'bedrock'

export interface CatalogueEntry {
  /** As metrics and the log name it. */
  readonly name: string
  /** Host names; a `*.` in front stands for one or more labels. */
  readonly hosts: readonly string[]
  readonly api: HostApi
  /** What stands before the API's own paths; several where hosts take several. */
  readonly bases?: readonly string[]
}

export const catalogue: readonly CatalogueEntry[] = [
  { name: 'openai', hosts: ['api.openai.com', '*.api.openai.com'], api: 'openai', bases: ['/v1'] },
  { name: 'anthropic', hosts: ['api.anthropic.com'], api: 'anthropic' },
  { name: 'gemini', hosts: ['generativelanguage.googleapis.com'], api: 'gemini' },
  {
    name: 'vertex',
    // REGION-aiplatform.googleapis.com; nothing else is asked for below googleapis.com with these paths.
    hosts: ['aiplatform.googleapis.com', '*-aiplatform.googleapis.com', '*.rep.googleapis.com'],
    api: 'vertex',
  },
  {
    name: 'azure-openai',
    hosts: ['*.openai.azure.com', '*.services.ai.azure.com', '*.cognitiveservices.azure.com'],
    api: 'azure-openai',
  },
  { name: 'bedrock', hosts: ['bedrock-runtime.*.amazonaws.com'], api: 'bedrock' },
  { name: 'mistral', hosts: ['api.mistral.ai', 'codestral.mistral.ai'], api: 'openai', bases: ['/v1'] },
  { name: 'deepseek', hosts: ['api.deepseek.com'], api: 'openai', bases: ['/v1', '/beta', ''] },
  { name: 'groq', hosts: ['api.groq.com'], api: 'openai', bases: ['/openai/v1'] },
  { name: 'openrouter', hosts: ['openrouter.ai'], api: 'openai', bases: ['/api/v1'] },
  { name: 'together', hosts: ['api.together.xyz', 'api.together.ai'], api: 'openai', bases: ['/v1'] },
  { name: 'fireworks', hosts: ['api.fireworks.ai'], api: 'openai', bases: ['/inference/v1'] },
  { name: 'xai', hosts: ['api.x.ai', '*.api.x.ai'], api: 'openai', bases: ['/v1'] },
  { name: 'cerebras', hosts: ['api.cerebras.ai'], api: 'openai', bases: ['/v1'] },
  { name: 'perplexity', hosts: ['api.perplexity.ai'], api: 'openai', bases: ['/v1', ''] },
  { name: 'cohere', hosts: ['api.cohere.ai', 'api.cohere.com'], api: 'openai', bases: ['/compatibility/v1'] },
  { name: 'nvidia', hosts: ['integrate.api.nvidia.com'], api: 'openai', bases: ['/v1'] },
  { name: 'huggingface', hosts: ['router.huggingface.co'], api: 'openai', bases: ['/v1'] },
  { name: 'deepinfra', hosts: ['api.deepinfra.com'], api: 'openai', bases: ['/v1/openai'] },
  { name: 'sambanova', hosts: ['api.sambanova.ai'], api: 'openai', bases: ['/v1'] },
  { name: 'moonshot', hosts: ['api.moonshot.ai', 'api.moonshot.cn'], api: 'openai', bases: ['/v1'] },
  {
    name: 'dashscope',
    hosts: ['dashscope.aliyuncs.com', 'dashscope-intl.aliyuncs.com'],
    api: 'openai',
    bases: ['/compatible-mode/v1'],
  },
  { name: 'zai', hosts: ['api.z.ai', 'open.bigmodel.cn'], api: 'openai', bases: ['/api/paas/v4'] },
]
