import { FormatError } from '../error.ts'

/** A fileset level: version, release, modification and fix, each 0 to {@link VRMF_PART_MAX}. */
export type Vrmf = Readonly<{ version: number; release: number; modification: number; fix: number }>

/** The largest part of a VRMF: the object data manager keeps each in a signed 16-bit field. */
export const VRMF_PART_MAX = 32_767

const CANONICAL = /^(0|[1-9]\d{0,4})\.(0|[1-9]\d{0,4})\.(0|[1-9]\d{0,4})\.(0|[1-9]\d{0,4})$/
const ZERO_PADDED = /^\d{1,5}(?:\.\d{1,5}){3}$/

/**
 * Parses a VRMF such as `7.3.2.1`.
 * Text that would not print back identically (leading zeros, signs, blanks) is refused: text → value → text is the identity.
 * @throws FormatError `VRMF_MALFORMED`
 * @see docs/formats/lpp-name.md#vrmf
 */
export function parseVrmf(text: string): Vrmf {
  const match = CANONICAL.exec(text)
  if (match === null) {
    throw new FormatError('VRMF_MALFORMED', 'a VRMF is four numbers without leading zeros, joined by dots')
  }
  const [version, release, modification, fix] = match.slice(1).map(Number) as [number, number, number, number]
  if (Math.max(version, release, modification, fix) > VRMF_PART_MAX) throw partTooLarge()
  return { version, release, modification, fix }
}

/**
 * Formats a VRMF: `{ version: 7, release: 3, modification: 2, fix: 1 }` is `7.3.2.1`.
 * @throws FormatError `VRMF_MALFORMED` for a part that is no integer from 0 to {@link VRMF_PART_MAX}
 */
export function formatVrmf(vrmf: Vrmf): string {
  const parts = [vrmf.version, vrmf.release, vrmf.modification, vrmf.fix]
  for (const part of parts) {
    if (!Number.isInteger(part) || part < 0 || part > VRMF_PART_MAX) throw partTooLarge()
  }
  // Number.isInteger(-0) holds and -0 prints as 0, so nothing but digits can appear here.
  return parts.join('.')
}

/**
 * Returns the canonical text of a VRMF as it may stand in an `lpp_name` file: `07.01.0000.0032` becomes `7.1.0.32`.
 * Only for reading `lpp_name`, where IBM documents leading zeros as optional; everywhere else they are refused by {@link parseVrmf}.
 * A part has at most five digits, zeros included.
 * @throws FormatError `VRMF_MALFORMED`
 */
export function normaliseVrmf(text: string): string {
  if (!ZERO_PADDED.test(text)) throw new FormatError('VRMF_MALFORMED', 'a VRMF is four numbers joined by dots')
  const canonical = text.split('.').map(Number).join('.')
  parseVrmf(canonical)
  return canonical
}

function partTooLarge(): FormatError {
  return new FormatError('VRMF_MALFORMED', `a part of a VRMF is an integer from 0 to ${VRMF_PART_MAX}`)
}
