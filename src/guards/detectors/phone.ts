import { type Detector, matches } from './detector.ts'

/**
 * Telephone numbers: international ones (E.164, with a plus), and national ones as they are written with separators. Digits without
 * any are too many other things.
 */
export const phone: Detector = {
  label: 'PHONE',
  plural: 'telephone numbers',
  window: 64,
  find: (text) =>
    matches(
      /(?<![\d.,+])(?:\+\d(?:[ ()./-]{0,2}\d){6,14}|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4}|0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,5})(?![\d])/g,
      text,
    ),
}
