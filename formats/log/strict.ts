import { Buffer } from 'node:buffer'

/** Returns the bytes of standard base64 with its padding (RFC 4648, section 4), or undefined where `text` is not the one spelling of any. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  // Node reads base64 leniently: other alphabets, missing padding, stray bits behind the last byte.
  return bytes.toString('base64') === text ? bytes : undefined
}

/** Returns the whole number from 0 to 2^53 - 1 that `text` spells in decimal, or undefined where it spells it differently. */
export function decodeDecimal(text: string): number | undefined {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(value) && String(value) === text ? value : undefined
}

/** Returns the text of UTF-8 bytes, a mark at the start included, or a string itself; undefined where it is not well-formed. */
export function decodeText(source: string | Uint8Array): string | undefined {
  if (typeof source === 'string') return source.isWellFormed() ? source : undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(source)
  } catch {
    return undefined
  }
}
