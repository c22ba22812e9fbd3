import { schema } from './schema.ts'

/** A JSON Schema, as far as zod makes use of it. */
interface Node {
  type?: string
  title?: string
  description?: string
  default?: unknown
  enum?: unknown[]
  const?: unknown
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  properties?: Record<string, Node>
  required?: string[]
  additionalProperties?: Node | boolean
  items?: Node
  anyOf?: Node[]
  oneOf?: Node[]
}

/**
 * `chaperone schema --markdown`: every key of the rules in tables, for docs/rules.md.
 * @returns a section for each top-level key
 */
export function schemaPage(): string {
  const root = JSON.parse(schema()) as Node
  return Object.entries(root.properties ?? {})
    .map(([key, node]) => section(key, node, root.required?.includes(key) ?? false))
    .join('\n')
}

function section(key: string, node: Node, required: boolean): string {
  const lines = [`## ${key}`, '', `${sentence(node.description)}${required ? ' Required.' : ''}`, '']
  const kinds = kindsOf(node)
  if (kinds) {
    for (const kind of kinds) {
      const type = String(kind.properties?.type?.const)
      const rows = rowsOf({ ...kind, properties: without(kind.properties, 'type') }, '')
      lines.push(`### type: ${type}`, '', sentence(kind.description), '', ...tableOf(rows), '')
    }
    return lines.join('\n')
  }
  const rows = isMap(node) || node.properties ? rowsOf(node, '') : []
  if (rows.length > 0) lines.push(...tableOf(rows), '')
  return lines.join('\n')
}

/** The alternatives of a map whose values have a `type`. */
function kindsOf(node: Node): Node[] | undefined {
  const values = typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined
  const kinds = values?.oneOf ?? values?.anyOf
  return kinds?.every(({ properties }) => properties?.type?.const !== undefined) ? kinds : undefined
}

interface Row {
  path: string
  type: string
  fallback: string
  meaning: string
}

function tableOf(rows: Row[]): string[] {
  return [
    '| key | type | default | meaning |',
    '|---|---|---|---|',
    ...rows.map(({ path, type, fallback, meaning }) => `| \`${path}\` | ${type} | ${fallback} | ${meaning} |`),
  ]
}

/** The keys below a node, those of objects inside it by dotted paths. */
function rowsOf(node: Node, prefix: string): Row[] {
  if (isMap(node)) {
    const values = node.additionalProperties as Node
    const path = `${prefix}NAME`
    return values.properties ? rowsOf(values, `${path}.`) : [rowOf(path, values, true)]
  }
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const path = `${prefix}${key}`
    const own = rowOf(path, child, node.required?.includes(key) ?? false)
    return [own, ...below(child, path)]
  })
}

function below(node: Node, path: string): Row[] {
  if (node.properties) return rowsOf(node, `${path}.`)
  if (isMap(node) && (node.additionalProperties as Node).properties) return rowsOf(node, `${path}.`)
  const alternatives = node.anyOf ?? node.oneOf
  if (alternatives) return alternatives.flatMap((alternative) => below(alternative, path))
  return node.items ? below(node.items, `${path}[]`) : []
}

function rowOf(path: string, node: Node, required: boolean): Row {
  return {
    path,
    type: typeOf(node),
    fallback: node.default !== undefined ? `\`${JSON.stringify(node.default)}\`` : required ? 'required' : '',
    meaning: cell(sentence(node.description)),
  }
}

function typeOf(node: Node): string {
  if (node.const !== undefined) return `\`${node.const}\``
  if (node.enum) return node.enum.map((value) => `\`${value}\``).join(', ')
  const alternatives = node.anyOf ?? node.oneOf
  // JSON of any kind is told by its many alternatives.
  if (alternatives) return alternatives.length > 4 ? 'any' : [...new Set(alternatives.map(typeOf))].join(' or ')
  switch (node.type) {
    case 'array':
      return node.items ? `list of ${typeOf(node.items)}` : 'list'
    case 'object':
      return isMap(node) ? 'map' : 'object'
    case 'integer':
    case 'number':
      return `${node.type === 'integer' ? 'whole number' : 'number'}${range(node)}`
    case 'boolean':
      return 'true or false'
    case undefined:
      return 'any'
    default:
      return 'text'
  }
}

function range({ minimum, exclusiveMinimum, maximum }: Node): string {
  const low = minimum ?? exclusiveMinimum
  const top = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum
  if (low === undefined || low < -1e9) return ''
  return top === undefined ? `, from ${low}` : `, ${low} to ${top}`
}

function isMap(node: Node): boolean {
  return node.type === 'object' && typeof node.additionalProperties === 'object'
}

function without(properties: Node['properties'], key: string): Record<string, Node> {
  const { [key]: _, ...rest } = properties ?? {}
  return rest
}

function sentence(text = ''): string {
  return text === '' || /[.!?]$/.test(text) ? text : `${text}.`
}

const cell = (text: string) => text.replaceAll('|', '\\|')
