import type { Operation, Route } from './provider.ts'

/** Where each operation goes. */
export type RouteTable = Readonly<Partial<Record<Operation, Route>>>

/** A route whose path does not depend on the model. */
export function route(operation: Operation, dialect: Route['dialect'], path: string): Route {
  return { operation, dialect, path }
}
