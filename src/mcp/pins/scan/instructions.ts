import { excerptOf } from '../safe-text.ts'
import { plainText } from './confusables.ts'
import type { Remark, Severity } from './finding.ts'

/**
 * Words that are meant for the model. A description says what a tool does and what it takes; it has no reason to speak of earlier
 * instructions, of what a user must not know, or of files that the tool was not asked for. Each pattern says one such thing; all of
 * them are bounded, and none repeats over a repetition.
 */
interface Pattern {
  readonly severity: Severity
  readonly message: string
  readonly pattern: RegExp
}

const gap = '[^.!?]{0,60}'
const secretPlaces =
  '(?:~|\\$HOME|%USERPROFILE%|/root|/home/\\w{1,32})?[/\\\\]?\\.(?:ssh|aws|gnupg|kube|docker|cursor|claude|netrc|npmrc|pypirc)\\b|\\bid_(?:rsa|ed25519|ecdsa)\\b|/etc/(?:passwd|shadow)\\b|\\bmcp\\.json\\b|claude_desktop_config'
const secretThings =
  '(?:private|ssh|api|access|secret) keys?|passwords?|credentials?|(?:access|session|bearer|auth) tokens?|secrets?|environment variables|\\.env\\b|system prompt|(?:chat|conversation|message) history|(?:full|entire|whole|complete) (?:conversation|chat)|previous (?:messages|tool (?:calls|results|outputs))'

const patterns: readonly Pattern[] = [
  {
    severity: 'high',
    message: 'It tells the model to set other instructions aside.',
    pattern:
      /\b(?:ignore|disregard|forget|override|bypass|overrule)\s(?:\w{1,12}\s){0,3}(?:previous|prior|above|earlier|preceding|other|existing|system|safety|original)\s(?:\w{1,12}\s){0,2}(?:instructions?|prompts?|rules?|guidelines?|directives?|constraints?|messages?)\b/i,
  },
  {
    severity: 'high',
    message: 'It has a tag that poses as a part of the model’s prompt.',
    pattern:
      /<\s?\/?\s?(?:important|system|instructions?|secret|hidden|admin|assistant|developer|system[-_ ]?(?:prompt|message|reminder|instructions?)|tool[-_]?(?:call|result|response)|function_calls?)\s?>|<\|[a-z_]{2,20}\|>|\[\/?inst\]|<<\/?sys>>|^\s?#{1,6}\s?(?:system|instructions? (?:for|to) (?:the )?(?:model|assistant|ai|llm|agent))\b/im,
  },
  {
    severity: 'high',
    message: 'It wants something kept from the user.',
    pattern:
      /\b(?:do not|don['’]?t|never|must not|should not|shouldn['’]?t|without|avoid|refrain from)\s(?:\w{1,12}\s){0,3}?(?:tell(?:ing)?|inform(?:ing)?|mention(?:ing)?|reveal(?:ing)?|notify(?:ing)?|disclos(?:e|ing)|alert(?:ing)?|let(?:ting)?|warn(?:ing)?)\s(?:\w{1,12}\s){0,6}?(?:users?|humans?|person|anyone|anybody|operator|know)\b|\b(?:do not|don['’]?t|never) (?:mention|reveal|disclose) (?:that|this|it|the fact)\b|\b(?:keep|hide|conceal)\s(?:\w{1,12}\s){0,4}?(?:secret|hidden)?\s?from\s(?:the\s)?(?:user|human|operator)s?\b/i,
  },
  {
    severity: 'high',
    message: 'It asks for secrets, or for what was said before.',
    pattern: new RegExp(
      `\\b(?:read|cat|open|load|fetch|collect|gather|extract|copy|include|insert|attach|append|add|pass|provide|send|forward|upload|post|submit|exfiltrate|leak|put)\\b${gap}(?:${secretPlaces})|` +
        `\\b(?:include|insert|attach|append|pass|send|forward|upload|submit|exfiltrate|leak|copy|put)\\b\\s(?:all\\s|any\\s|the\\s|your\\s|user['’]?s?\\s|full\\s|entire\\s|contents?\\s|of\\s|summary\\s|a\\s|every\\s|\\w{1,12}\\s){0,5}?(?:${secretThings})`,
      'i',
    ),
  },
  {
    severity: 'high',
    message: 'It gives the model a new role.',
    pattern:
      /\byou are now\b|\bfrom now on,? (?:you|always|never|act|respond|ignore)\b|\byour (?:new|real|true|actual) (?:role|task|goal|instructions?|purpose|objective)\b|\b(?:pretend|act as if) you\b/i,
  },
  {
    severity: 'medium',
    message: 'It speaks of acting without asking the user.',
    pattern:
      /\bwithout\s(?:\w{1,12}\s){0,4}?(?:asking|confirm(?:ing|ation)|permission|approval|consent|knowledge|consulting)\b/i,
  },
  {
    severity: 'medium',
    message: 'It wants to come before, or instead of, all other tools.',
    pattern:
      /\b(?:before|instead of|prior to|rather than)\s(?:\w{1,12}\s){0,2}?(?:any|all|every|each|other)\s(?:\w{1,12}\s){0,2}?(?:tools?|actions?|functions?|responses?|messages?)\b|\b(?:must|always) (?:\w{1,12} )?(?:call|use|invoke|run) (?:this|it)(?: tool| function)? (?:first|every time|on every|before (?:every|any|all|each))/i,
  },
  {
    severity: 'medium',
    message: 'It names a place where secrets are kept.',
    pattern: new RegExp(secretPlaces, 'i'),
  },
  {
    severity: 'low',
    message: 'It speaks to the model in a commanding tone.',
    pattern:
      /\b(?:[Yy]ou|[Aa]ssistants?|[Mm]odels?|[Aa]gents?|LLMs?|AI) (?:must|have to|are required to|should always|should never)\b|\b(?:IMPORTANT|CRITICAL|MANDATORY)\b\s?[:!]/,
  },
]

/** @returns a remark for each thing a text says to the model, in its own spelling or disguised by lookalikes and invisible letters */
export function instructions(text: string): Remark[] {
  const plain = plainText(text).replace(/\s+/g, ' ')
  const remarks: Remark[] = []
  for (const { severity, message, pattern } of patterns) {
    const match = pattern.exec(plain)
    if (match)
      remarks.push({ severity, kind: 'instruction', message, excerpt: excerptOf(plain, match.index, match[0].length) })
  }
  return remarks
}

/** Names of parameters whose only use is to learn what else the model knows. */
const curious =
  /^_?(?:system_?prompt|conversation(?:_?history)?|chat_?history|previous_?(?:messages|tool_?calls|results)|chain_?of_?thought|reasoning_?trace|tools?_?list|available_?tools)$/i

/** @returns a remark where a parameter’s name asks for what the model was told or has thought */
export function curiousName(name: string): Remark[] {
  if (!curious.test(name)) return []
  return [
    {
      severity: 'low',
      kind: 'instruction',
      message: 'Its name asks for what the model was told or has thought.',
      excerpt: excerptOf(name, 0, name.length),
    },
  ]
}
