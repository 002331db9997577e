import { InvalidArgumentError } from 'commander'
import { isPrintableName } from '../roots/resolve.ts'

/** Returns a keyid of the command line. @throws InvalidArgumentError */
export function parseKeyid(text: string): string {
  if (!/^[0-9]{1,10}$/.test(text)) throw new InvalidArgumentError('A keyid is one to ten digits.')
  return text
}

const DAYS_MAX = 36_500

/** Returns a number of days, 1 to 36500. @throws InvalidArgumentError */
export function parseDays(text: string): number {
  const days = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0
  if (days < 1 || days > DAYS_MAX) throw new InvalidArgumentError(`It must be a number of days, 1 to ${DAYS_MAX}.`)
  return days
}

const DESCRIPTOR_MAX = 1_048_576

/** Returns the number of a descriptor that is none of the three standard ones. @throws InvalidArgumentError */
export function parseDescriptor(text: string): number {
  const descriptor = /^[0-9]{1,7}$/.test(text) ? Number(text) : 0
  if (descriptor < 3 || descriptor > DESCRIPTOR_MAX) throw new InvalidArgumentError(`It must be the number of an open descriptor, 3 to ${DESCRIPTOR_MAX}.`)
  return descriptor
}

const REASON_CHARS_MAX = 200

/** Returns a reason: one line of text, that shows as what it is. @throws InvalidArgumentError */
export function parseReason(text: string): string {
  if (text.trim() === '' || text.length > REASON_CHARS_MAX || !isPrintableName(text)) throw new InvalidArgumentError(`It must be one line of text, at most ${REASON_CHARS_MAX} characters.`)
  return text
}
