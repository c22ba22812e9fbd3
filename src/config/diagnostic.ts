/** A file of rules, or a part of them. */
export interface RuleFile {
  /** Named in the diagnostics. */
  readonly name: string
  /** YAML or JSON. */
  readonly text: string
}

/** A place in a file. */
export interface Place {
  file: string
  /** From 1. */
  line: number
  column: number
}

/** Something wrong in a rules file, and where. */
export interface Diagnostic extends Place {
  /** `models.fast.targets[1].provider`; empty: the file as a whole. */
  path: string
  message: string
  /** What was probably meant. */
  suggestion?: string
}

/** A finding about a file as a whole. */
export function aboutFile(file: string, message: string): Diagnostic {
  return { file, line: 1, column: 1, path: '', message }
}
