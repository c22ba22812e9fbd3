import type { ASTNode } from '@marcbachmann/cel-js'
import { environment, Variables } from './environment.ts'
import type { Facts } from './facts.ts'

/** An expression is wrong; `message` says how, for the person who wrote it. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError'
  /** Where in the expression, from 1. */
  readonly column: number

  constructor(message: string, column: number) {
    super(message)
    this.column = column
  }
}

/** Its value for one request. Throws where the facts do not have what it asks for, such as a claim that is missing. */
export type Expression = (facts: Facts) => unknown
/** Whether it holds for one request; never throws. */
export type Condition = (facts: Facts) => boolean

/**
 * Compiles the expressions of one revision of the rules. They share the variables of a request: those are made once,
 * when the first of them asks.
 */
export class ExpressionCompiler {
  readonly #budgets: ReadonlySet<string>
  readonly #asked = new Set<string>()
  /** Of the request that was asked about last: its expressions are evaluated one after the other. */
  #facts: Facts | undefined
  #variables: Variables | undefined

  /** @param budgets the names that `spent` knows */
  constructor(budgets: Iterable<string> = []) {
    this.#budgets = new Set(budgets)
  }

  /** @throws {ExpressionError} */
  value(source: string): Expression {
    return this.#compile(source).run
  }

  /**
   * @param onError what holds where its value cannot be had: the side that lets less through
   * @throws {ExpressionError} also where it is no boolean
   */
  condition(source: string, onError: boolean): Condition {
    const { run, type } = this.#compile(source)
    if (type !== 'bool' && type !== 'dyn')
      throw new ExpressionError(`it must be a condition (bool), and is ${article(type)}`, 1)
    return (facts) => {
      try {
        const value = run(facts)
        return typeof value === 'boolean' ? value : onError
      } catch {
        return onError
      }
    }
  }

  #compile(source: string): { run: Expression; type: string } {
    let parsed: ReturnType<typeof environment.parse>
    try {
      parsed = environment.parse(source)
    } catch (error) {
      throw explain(error)
    }
    const { valid, type, error } = parsed.check()
    if (!valid) throw explain(error)
    this.#inspect(parsed.ast)
    return {
      type: String(type),
      run: (facts) => parsed(this.#variablesOf(facts)),
    }
  }

  #variablesOf(facts: Facts): Variables {
    if (this.#variables && this.#facts === facts) return this.#variables
    this.#facts = facts
    this.#variables = new Variables(facts, this.#asked)
    return this.#variables
  }

  /** Refuses what the types allow and a gateway cannot: unbounded patterns, budgets that do not exist. */
  #inspect(node: ASTNode): void {
    switch (node.op) {
      case 'id':
        if (node.args === 'spent')
          throw new ExpressionError('write spent["NAME"], with the name of a budget', column(node))
        return
      case '.':
      case '[]': {
        const [object, key] = node.args as [ASTNode, ASTNode | string]
        if (object.op === 'id' && object.args === 'spent') {
          this.#budget(typeof key === 'string' ? key : key.op === 'value' ? key.args : undefined, node)
          return
        }
        break
      }
      case 'rcall': {
        const [name, , args] = node.args
        if (name === 'matches') checkPattern(args[0])
        if (zoned.has(name)) checkTimeZone(args[0])
        break
      }
      case 'call': {
        const [name, args] = node.args
        if (name === 'matches') checkPattern(args[1])
        break
      }
    }
    for (const child of children(node.args)) this.#inspect(child)
  }

  #budget(name: unknown, node: ASTNode): void {
    if (typeof name !== 'string')
      throw new ExpressionError('write spent["NAME"], with the name of a budget', column(node))
    if (!this.#budgets.has(name)) throw new ExpressionError(`there is no budget ${JSON.stringify(name)}`, column(node))
    this.#asked.add(name)
  }
}

/** The nodes anywhere in a node's operands. */
function* children(args: unknown): Iterable<ASTNode> {
  if (Array.isArray(args)) for (const arg of args) yield* children(arg)
  else if (typeof args === 'object' && args !== null && 'op' in args) yield args as ASTNode
}

/** JavaScript's patterns can do more than CEL's (RE2), at a price that grows without bound. */
function checkPattern(node: ASTNode | undefined): void {
  if (node?.op !== 'value' || typeof node.args !== 'string')
    throw new ExpressionError('the pattern of matches() must be written out', node ? column(node) : 1)
  if (/\(\?(?:[=!]|<[=!])|\\[1-9]|\\k</.test(node.args))
    throw new ExpressionError('a pattern has no look-around and no back-references here', column(node))
  try {
    new RegExp(node.args, 'u')
  } catch (error) {
    throw new ExpressionError(`the pattern is wrong: ${(error as Error).message}`, column(node))
  }
}

/** Methods of timestamps that take a time zone. */
const zoned: ReadonlySet<string> = new Set([
  ...['getFullYear', 'getMonth', 'getDate', 'getDayOfMonth', 'getDayOfWeek', 'getDayOfYear'],
  ...['getHours', 'getMinutes', 'getSeconds', 'getMilliseconds'],
])

/** One that does not exist would be found out at each request. */
function checkTimeZone(node: ASTNode | undefined): void {
  if (node?.op !== 'value' || typeof node.args !== 'string') return
  // Whether offsets are known depends on the version of Node.
  const offset = /^[+-]?\d/.test(node.args)
  try {
    if (!offset) new Intl.DateTimeFormat('en', { timeZone: node.args })
  } catch {
    throw new ExpressionError(`there is no time zone ${JSON.stringify(node.args)}`, column(node))
  }
  if (offset) throw new ExpressionError('a time zone is a name here, such as "Europe/Berlin"', column(node))
}

function column(node: ASTNode): number {
  return node.range.start + 1
}

function explain(error: unknown): ExpressionError {
  const { summary, message, range } = error as { summary?: string; message: string; range?: { start: number } }
  const words = summary ?? message.split('\n')[0]!
  return new ExpressionError(words.charAt(0).toLowerCase() + words.slice(1), (range?.start ?? 0) + 1)
}

function article(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`
}
