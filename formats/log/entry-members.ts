import { Buffer } from 'node:buffer'
import { decodeBase64 } from './strict.ts'

/** Whether a member of an entry can have this value. */
export type Check = (value: unknown) => boolean

/** The members that an object must have, and those that it may have; it may have no others. */
export type Members = Readonly<{ required: Readonly<Record<string, Check>>; optional?: Readonly<Record<string, Check>> }>

const FILENAME_BYTES_MAX = 255
// Room for a post-quantum signature; RSA-4096 takes 684.
const SIGNATURE_CHARS_MAX = 8192

/** Whether `value` is an object with these members, each as it must be, and no others. */
export function hasMembers(value: unknown, { required, optional = {} }: Members): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const all = { ...required, ...optional }
  const isKnown = Object.entries(value).every(([name, member]) => Object.hasOwn(all, name) && all[name]?.(member) === true)
  return isKnown && Object.keys(required).every((name) => Object.hasOwn(value, name))
}

/** A name: of a client, a package, a fileset, a format, an operation, a version. Never a path: there is no slash in it. */
export const isWord = matches(/^[A-Za-z0-9._+-]{1,144}$/)

/** An error code, such as `PATH_OUTSIDE_ROOTS`. */
export const isCode = matches(/^[A-Z][A-Z0-9_]{0,63}$/)

/** A SHA-256, 64 lower-case hexadecimal digits. */
export const isSha256 = matches(/^[0-9a-f]{64}$/)

/** The identifier of a key, as in a signature file. */
export const isKeyid = matches(/^[0-9]{1,10}$/)

/** The timestamp of a signature record, as in a signature file; not an RFC 3339 time. */
export const isRecordTimestamp = matches(/^\d(?:[\dTZ ._+/-]{0,61}[\dZ])?$/)

/** A UUID in lower case. */
export const isUuid = matches(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)

/** A time in the one spelling of RFC 3339 that the log has: UTC, milliseconds, `2026-11-24T09:15:00.000Z`. */
export function isTime(value: unknown): boolean {
  // The pattern keeps the years beyond 9999 out, the round trip the 30th of February.
  return matches(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)(value) && !Number.isNaN(Date.parse(value as string)) && new Date(value as string).toISOString() === value
}

/** The base name of a file, in any script: 1 to 255 bytes, no slash and no control character. */
export function isFilename(value: unknown): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (typeof value !== 'string' || !value.isWellFormed() || /[/\u0000-\u001f\u007f]/.test(value)) return false
  return !['', '.', '..'].includes(value) && Buffer.byteLength(value) <= FILENAME_BYTES_MAX
}

/** A signature in standard base64 with its padding. */
export function isSignature(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && value.length <= SIGNATURE_CHARS_MAX && decodeBase64(value) !== undefined
}

/** A whole number from 0 to 2^53 - 1. */
export function isCount(value: unknown): boolean {
  // -0 prints as 0, so it would not read back.
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0)
}

/** A whole number from 1 to 2^53 - 1: there is no entry for nothing. */
export function isNumber(value: unknown): boolean {
  return isCount(value) && value !== 0
}

/** One of these texts. */
export function isOneOf(...values: readonly string[]): Check {
  return (value) => typeof value === 'string' && values.includes(value)
}

function matches(pattern: RegExp): Check {
  return (value) => typeof value === 'string' && pattern.test(value)
}
