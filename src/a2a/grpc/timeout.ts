import { A2aError } from '../errors.ts'

/** gRPC's deadlines: `grpc-timeout` says how long the caller waits from now on (PROTOCOL-HTTP2.md of grpc/grpc). */

const unitsMs: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }

/** @returns ms; undefined where the caller waits for ever. @throws {A2aError} where it is none of gRPC's */
export function readTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? []
  if (digits === undefined) throw new A2aError('invalidRequest', 'grpc-timeout must be up to 8 digits and a unit: 30S')
  return Number(digits) * unitsMs[unit!]!
}

/** @param ms how long is waited; what is over is written as the shortest there is */
export function writeTimeout(ms: number): string {
  const whole = Math.max(1, Math.ceil(ms))
  return whole < 1e8 ? `${whole}m` : `${Math.min(Math.ceil(ms / 1000), 99_999_999)}S`
}
