/** Severities of log messages (RFC 5424), the least severe first. */
const levels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency']

export function isLogLevel(level: unknown): level is string {
  return typeof level === 'string' && levels.includes(level)
}

/** Whether a message of this level is wanted where the least is that. */
export function loudEnough(level: unknown, least: string): boolean {
  return typeof level !== 'string' || levels.indexOf(level) >= levels.indexOf(least)
}
