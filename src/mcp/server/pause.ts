const firstMs = 200
const longestMs = 15_000

/**
 * Waits before something is tried again: longer each time, and never all at once.
 * @param failures how often it failed in a row
 * @returns false where the signal ended it
 */
export function pause(failures: number, signal: AbortSignal): Promise<boolean> {
  const ms = Math.min(longestMs, firstMs * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2)
  return new Promise((resolve) => {
    const done = (more: boolean) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      resolve(more)
    }
    const stop = () => done(false)
    const timer = setTimeout(() => done(true), ms)
    timer.unref()
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}
