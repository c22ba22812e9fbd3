/** Conditions of statuses (metav1.Condition). */

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly observedGeneration?: number
  readonly lastTransitionTime: string
}

/** A condition before it is known of which generation and since when it is so. */
export type Said = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>

export function yes(type: string, reason = type, message = ''): Said {
  return { type, status: 'True', reason, message }
}

export function no(type: string, reason: string, message: string): Said {
  return { type, status: 'False', reason, message }
}

/** The longest message that the API server takes. */
const longestMessage = 32_000

/**
 * Conditions as they are to stand in a status.
 * @param before those that stand there: what has not changed since then keeps its time
 */
export function conditionsOf(
  said: readonly Said[],
  generation: number | undefined,
  before: readonly unknown[] | undefined,
  now: string,
): Condition[] {
  return said.map(({ type, status, reason, message }) => {
    const known = (before as Partial<Condition>[] | undefined)?.find((each) => each?.type === type)
    return {
      type,
      status,
      reason,
      message: message.slice(0, longestMessage),
      ...(generation !== undefined && { observedGeneration: generation }),
      lastTransitionTime: known?.status === status && known.lastTransitionTime ? known.lastTransitionTime : now,
    }
  })
}
