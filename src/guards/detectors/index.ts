import type { DetectorName } from '../../config/guards.ts'
import { card } from './card.ts'
import type { Detector } from './detector.ts'
import { email } from './email.ts'
import { iban } from './iban.ts'
import { phone } from './phone.ts'
import { privateKey } from './private-key.ts'
import { secret } from './secret.ts'

/** The detectors that the rules know by name. */
export const detectors: Readonly<Record<DetectorName, readonly Detector[]>> = {
  card: [card],
  iban: [iban],
  email: [email],
  phone: [phone],
  secret: [secret, privateKey],
}
