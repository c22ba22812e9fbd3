import { type Detector, matches } from './detector.ts'

/** Addresses of e-mail as they are written in texts (RFC 5321's lengths, without quoted local parts). */
export const email: Detector = {
  label: 'EMAIL',
  plural: 'e-mail addresses',
  window: 340,
  find: (text) =>
    matches(
      /(?<![A-Za-z0-9._%+-])[A-Za-z0-9_%+-][A-Za-z0-9._%+-]{0,63}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,40})(?:\.[A-Za-z0-9][A-Za-z0-9-]{0,40}){0,4}\.[A-Za-z]{2,24}(?![A-Za-z0-9])/g,
      text,
    ),
}
