/**
 * Letters that look like Latin ones (a part of Unicode's confusables.txt, UTS #39): Cyrillic, Greek, Armenian and Cherokee
 * letters, and Latin ones of other languages. Fullwidth and mathematical letters fall to NFKC.
 */
const lookalikes: Readonly<Record<string, string>> = {
  a: 'аɑα',
  b: 'ЬƄᏏ',
  c: 'сϲᴄ',
  d: 'ԁɗᏧ',
  e: 'еҽє',
  f: 'ƒϝ',
  g: 'ɡցǥ',
  h: 'һհᏂ',
  i: 'іıɩι',
  j: 'јϳ',
  k: 'ĸκк',
  l: 'ӏⅼǀ',
  m: 'ⅿ',
  n: 'ոռ',
  o: 'оοօσᴏ',
  p: 'рρ',
  q: 'ԛգզ',
  r: 'гᴦ',
  s: 'ѕꜱ',
  t: 'τᴛ',
  u: 'սυᴜ',
  v: 'ѵνᴠ',
  w: 'ԝաᴡ',
  x: 'хχ',
  y: 'уүγ',
  z: 'ᴢ',
  A: 'АΑᎪ',
  B: 'ВΒᏴ',
  C: 'СϹᏟ',
  D: 'Ꭰ',
  E: 'ЕΕᎬ',
  G: 'Ԍ',
  H: 'НΗᎻ',
  I: 'ІΙӀ',
  J: 'ЈᎫ',
  K: 'КΚᏦ',
  L: 'Ꮮ',
  M: 'МΜᎷ',
  N: 'Ν',
  O: 'ОΟՕ',
  P: 'РΡᏢ',
  R: 'Ꭱ',
  S: 'ЅՏᏚ',
  T: 'ТΤᎢ',
  V: 'Ꮩ',
  W: 'Ꮃ',
  X: 'ХΧ',
  Y: 'ҮΥ',
  Z: 'ΖᏃ',
}

const latin = new Map(
  Object.entries(lookalikes).flatMap(([to, from]) => [...from].map((letter) => [letter, to] as const)),
)
const invisible = /\p{Default_Ignorable_Code_Point}/gu

/** @returns the text as an eye, or a model that forgives spelling, reads it: nothing invisible, lookalikes as Latin letters */
export function plainText(text: string): string {
  // Nearly all texts are ASCII.
  if (!/[^\x20-\x7e\s]/.test(text)) return text
  let plain = ''
  for (const character of text.replace(invisible, '')) plain += latin.get(character) ?? folded(character)
  return plain
}

function folded(character: string): string {
  if (character <= '\x7f') return character
  const letters = character.normalize('NFKC')
  // Ligatures that stand for sentences are no disguise, and would make the text many times as long.
  return letters.length > 4 ? character : letters
}

/** @returns the first word that has both Latin letters and letters that only look like such */
export function disguisedWord(text: string): { readonly word: string; readonly index: number } | undefined {
  if (!/\P{ASCII}/u.test(text)) return undefined
  for (const { 0: word, index } of text.matchAll(/[\p{L}\p{N}]{2,100}/gu)) {
    if (!/\p{Script=Latin}/u.test(word)) continue
    for (const letter of word) if (!/\p{Script=Latin}/u.test(letter) && latin.has(letter)) return { word, index }
  }
  return undefined
}
