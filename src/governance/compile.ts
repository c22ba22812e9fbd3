import type { Rules } from '../config/schema.ts'
import type { ExpressionCompiler } from '../policy/expression.ts'
import { Policies } from '../policy/policies.ts'
import { Governance, type Guarding, type Identifier, type Metering } from './governance.ts'

/** What governance needs of the world beside the rules. */
export interface GovernanceParts {
  identifier(rules: Rules): Identifier
  metering(rules: Rules, compiler: ExpressionCompiler): Metering
  guards(rules: Rules, compiler: ExpressionCompiler): Guarding
}

/**
 * Compiles what the rules say of callers, permissions, limits and content.
 * @throws {ExpressionError} where an expression is wrong; checkExpressions says where, before it comes to this
 */
export function compileGovernance(rules: Rules, parts: GovernanceParts, compiler: ExpressionCompiler): Governance {
  return new Governance(rules, {
    identifier: parts.identifier(rules),
    policies: new Policies(rules.policies, compiler),
    metering: parts.metering(rules, compiler),
    guards: parts.guards(rules, compiler),
  })
}
