/** The lists of MCP: what servers have, and what is asked to know it. */
export const kinds = {
  tools: { method: 'tools/list', items: 'tools', capability: 'tools', key: 'name' },
  prompts: { method: 'prompts/list', items: 'prompts', capability: 'prompts', key: 'name' },
  resources: { method: 'resources/list', items: 'resources', capability: 'resources', key: 'uri' },
  templates: {
    method: 'resources/templates/list',
    items: 'resourceTemplates',
    capability: 'resources',
    key: 'uriTemplate',
  },
} as const

export type Kind = keyof typeof kinds

/** The kind that a method lists. */
export function kindOf(method: string): Kind | undefined {
  return (Object.keys(kinds) as Kind[]).find((kind) => kinds[kind].method === method)
}
